"""What stands at the address of a dialect that is not there yet: an honest answer."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp


def unbuilt(product: str) -> ASGIApp:
    """An application that answers 501 with the reason to everything."""
    return JSONResponse(
        {"error": "not_implemented", "message": f"{product} is not part of this version of Polycast"}, 501
    )
