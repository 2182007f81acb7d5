"""The OpenAPI document: what FastAPI finds, with the vendor's credentials and the answers that are really given."""

from typing import Any

from fastapi import FastAPI

from polycast.dialects.gotipath.auth import CLIENT, KEY, LIBRARY, TOKEN

_HEADERS = {"clientId": CLIENT, "libraryId": LIBRARY, "apiKey": KEY}
_ERRORS = {
    "400": "A parameter is missing or not acceptable.",
    "401": "The credentials are missing or wrong.",
    "403": "Not allowed with this key, or over the quota.",
    "404": "No such item.",
    "408": "The body stopped coming.",
    "413": "The body is too large.",
    "429": "More than 60 requests a second.",
    "501": "Not part of this version.",
    "503": "Try again later.",
}
_TUS = {
    "409": "The offset is not where the upload stands.",
    "410": "The upload is finished: there is nothing to end.",
    "412": "Another version of tus.",
    "415": "No chunk.",
    "460": "The body has another checksum.",
}
_ENVELOPE = {
    "type": "object",
    "title": "ErrorEnvelope",
    "required": ["message", "errors", "success"],
    "properties": {
        "message": {"type": "string"},
        "errors": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "code", "message"],
                        "properties": {
                            "field": {"type": "string"},
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                        },
                    },
                },
            ]
        },
        "success": {"const": False},
    },
}


def describe(app: FastAPI, document: dict[str, Any]) -> None:
    """Complete the document of `app`: credentials, and the answers that are really given."""
    parts = document["components"]
    parts["schemas"]["ErrorEnvelope"] = _ENVELOPE
    parts["securitySchemes"] = {
        name: {"type": "apiKey", "in": "header", "name": header} for name, header in _HEADERS.items()
    } | {
        "uppy": {
            "type": "apiKey",
            "in": "header",
            "name": TOKEN,
            "description": "JSON text of one object with the three X-Auth values.",
        }
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _describe(path, method, operation)


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    known = _ERRORS | (_TUS if path.startswith("/tusupload") else {})
    for status, words in known.items():
        answers[status] = {"description": words}
        if method != "head":
            content = {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}
            answers[status]["content"] = {"application/json": content}
    together: dict[str, list[str]] = {name: [] for name in _HEADERS}
    operation["security"] = [together]
    if path.startswith("/uploads"):
        operation["security"].append({"uppy": []})
    if path == "/libraries":  # a key of the organization names no library
        operation["security"].append({name: [] for name in _HEADERS if name != "libraryId"})
