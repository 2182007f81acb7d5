"""Catalogues: file types, languages, presets; tenant status; the older OAuth call."""

from typing import Annotated, Any

from fastapi import Form, Query

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import (
    TOKEN_LIFE_S,
    BlockedCallerDep,
    CallerDep,
    ServicesDep,
    issue_token,
)
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import MAX_PAGE, page_of, uid
from polycast.domain.errors import Invalid, NotFound, Unauthorized
from polycast.domain.ids import parse_uid
from polycast.domain.paging import Page, PageRequest
from polycast.domain.presets import PRESETS

router = Section(route_class=StrictRoute)

FILE_TYPES = {
    "Audio": [".mp3", ".wav", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".ac3"],
    "Caption": [".vtt", ".srt", ".txt"],
    "Video": [
        ".mp4",
        ".mov",
        ".m4v",
        ".mkv",
        ".webm",
        ".ts",
        ".mts",
        ".m2ts",
        ".avi",
        ".mxf",
        ".flv",
        ".mpg",
    ],
}
# ISO 639-1, all of it
LANGUAGES = [
    "aa",
    "ab",
    "ae",
    "af",
    "ak",
    "am",
    "an",
    "ar",
    "as",
    "av",
    "ay",
    "az",
    "ba",
    "be",
    "bg",
    "bh",
    "bi",
    "bm",
    "bn",
    "bo",
    "br",
    "bs",
    "ca",
    "ce",
    "ch",
    "co",
    "cr",
    "cs",
    "cu",
    "cv",
    "cy",
    "da",
    "de",
    "dv",
    "dz",
    "ee",
    "el",
    "en",
    "eo",
    "es",
    "et",
    "eu",
    "fa",
    "ff",
    "fi",
    "fj",
    "fo",
    "fr",
    "fy",
    "ga",
    "gd",
    "gl",
    "gn",
    "gu",
    "gv",
    "ha",
    "he",
    "hi",
    "ho",
    "hr",
    "ht",
    "hu",
    "hy",
    "hz",
    "ia",
    "id",
    "ie",
    "ig",
    "ii",
    "ik",
    "io",
    "is",
    "it",
    "iu",
    "ja",
    "jv",
    "ka",
    "kg",
    "ki",
    "kj",
    "kk",
    "kl",
    "km",
    "kn",
    "ko",
    "kr",
    "ks",
    "ku",
    "kv",
    "kw",
    "ky",
    "la",
    "lb",
    "lg",
    "li",
    "ln",
    "lo",
    "lt",
    "lu",
    "lv",
    "mg",
    "mh",
    "mi",
    "mk",
    "ml",
    "mn",
    "mr",
    "ms",
    "mt",
    "my",
    "na",
    "nb",
    "nd",
    "ne",
    "ng",
    "nl",
    "nn",
    "no",
    "nr",
    "nv",
    "ny",
    "oc",
    "oj",
    "om",
    "or",
    "os",
    "pa",
    "pi",
    "pl",
    "ps",
    "pt",
    "qu",
    "rm",
    "rn",
    "ro",
    "ru",
    "rw",
    "sa",
    "sc",
    "sd",
    "se",
    "sg",
    "si",
    "sk",
    "sl",
    "sm",
    "sn",
    "so",
    "sq",
    "sr",
    "ss",
    "st",
    "su",
    "sv",
    "sw",
    "ta",
    "te",
    "tg",
    "th",
    "ti",
    "tk",
    "tl",
    "tn",
    "to",
    "tr",
    "ts",
    "tt",
    "tw",
    "ty",
    "ug",
    "uk",
    "ur",
    "uz",
    "ve",
    "vi",
    "vo",
    "wa",
    "wo",
    "xh",
    "yi",
    "yo",
    "za",
    "zh",
    "zu",
]


@router.get("/vod/v1/filetypes", operation_id="get_file_types", tags=["vod.catalog"])
async def file_types(caller: CallerDep) -> dict[str, Any]:
    """Accepted file extensions per type."""
    return {"fileTypes": FILE_TYPES}


@router.get("/vod/v1/languages", operation_id="get_languages", tags=["vod.catalog"])
async def languages(caller: CallerDep) -> dict[str, Any]:
    """Accepted language codes (ISO 639-1)."""
    return {"languages": LANGUAGES}


@router.get("/transcoder/v1/presets", operation_id="list_presets", tags=["transcoder.presets"])
async def presets(
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    page: Annotated[int, Query(ge=1)] = 1,
) -> dict[str, Any]:
    """Presets usable for outputs."""
    asked = PageRequest(limit=limit, page=page, max_limit=MAX_PAGE)
    everything = list(PRESETS.values())
    found = Page(everything[asked.offset : asked.offset + asked.limit], len(everything), asked)
    return page_of(
        found,
        [
            {"name": p.name, "description": p.description, "createsDownload": p.creates_download}
            for p in found.items
        ],
    )


@router.get("/core/v1/settings/tenant/{id}/status", operation_id="get_tenant_status", tags=["core.tenants"])
async def tenant_status(id: str, caller: BlockedCallerDep, have: ServicesDep) -> dict[str, str]:
    """Status of the caller's tenant."""
    if uid(id, "tenant") != caller.tenant.uid:
        raise NotFound("tenant", id)
    tenant = await have.tenants.get(caller)
    words = {"active": ("Active", "All modules are up."), "blocked": ("Blocked", "The tenant is blocked.")}
    status, message = words.get(tenant.ref.status, ("Deleted", "The tenant was deleted."))
    return {"status": status, "message": message}


@router.post("/oauth/token", operation_id="oauth_token", tags=["core.auth"])
async def oauth_token(
    have: ServicesDep,
    client_id: Annotated[str, Form()],
    client_secret: Annotated[str, Form()],
    grant_type: Annotated[str, Form()],
) -> dict[str, Any]:
    """Client credentials: the id and the secret of an API key become a bearer token (RFC 6749 4.4)."""
    if grant_type != "client_credentials":
        raise Invalid("grant_type must be client_credentials", field="grant_type")
    key = parse_uid(client_id)
    if key is None:
        raise Unauthorized("client id or secret is not valid")
    await have.keys.check_pair(key, client_secret)
    return {
        "access_token": issue_token(have, key),
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE_S,
    }
