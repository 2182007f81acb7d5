"""The page that describes an API: Swagger UI out of our own build, so that it works without the internet."""

from polycast.delivery.pages.assets import API_DOCS, BuildMissing, page_assets
from polycast.delivery.pages.escape import text
from polycast.delivery.pages.shells import ICON, Page, asset_tags, not_built

# it styles its elements in place, and draws its icons from data: addresses; calls that it tries go to this server
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render_api_docs(title: str, document_url: str, *, assets_url: str) -> Page:
    """Render the page.

    Args:
        title: of the API.
        document_url: of its OpenAPI document.
        assets_url: where `dist_dir()` is served.
    """
    try:
        assets = page_assets(API_DOCS)
    except BuildMissing:
        return not_built()
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
{ICON}
{asset_tags(assets, assets_url, preload=True)}
</head>
<body>
<div data-openapi="{text(document_url)}"></div>
</body>
</html>
"""
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": _POLICY,
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Page(html.encode(), 200, headers)
