"""The OpenAPI document: what FastAPI finds, with the vendor's credentials and the answers that are really given."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from polycast.dialects.videokit.auth import blocked_caller, caller

_ERRORS = {
    "400": "A parameter is missing or not acceptable.",
    "401": "The key is missing or wrong.",
    "403": "Not allowed with this key, or over the quota.",
    "404": "No such item.",
    "408": "The body stopped coming.",
    "409": "Not in this state.",
    "413": "The body is too large.",
    "429": "Too many requests.",
    "501": "Not part of this version.",
    "503": "Try again later.",
}
_FAILED = {
    "type": "object",
    "title": "FailedResponse",
    "required": ["status", "success"],
    "properties": {
        "status": {
            "type": "object",
            "required": ["code", "status", "message"],
            "properties": {
                "code": {"type": "string"},
                "status": {"type": "integer"},
                "message": {"type": "string"},
            },
        },
        "success": {"const": False},
    },
}
_CREDENTIALS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "tenant": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Tenant-Id",
        "description": "Needed beside a key of the organization.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Of `POST /oauth/token`, in place of a key.",
    },
}


def describe(app: FastAPI, document: dict[str, Any]) -> None:
    """Complete the document of `app`: credentials, and the answers that are really given."""
    parts = document["components"]
    parts["schemas"]["FailedResponse"] = _FAILED
    parts["securitySchemes"] = _CREDENTIALS
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/FailedResponse"}}}
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        known = {caller, blocked_caller} & set(_calls(route.dependant))
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["responses"] |= {
                status: {"description": words, "content": failed} for status, words in _ERRORS.items()
            }
            if known:
                operation["security"] = [{"key": []}, {"key": [], "tenant": []}, {"token": [], "tenant": []}]


def _calls(dependant: Dependant) -> Iterator[Any]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)
