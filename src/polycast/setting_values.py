"""What single settings may hold: checks that refuse a wrong value before any process starts."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from polycast.db.urls import plain_url
from polycast.domain.errors import Unavailable
from polycast.domain.policy import origin_of
from polycast.net.allowed import Allowed

STORE_SCHEMES = ("file", "s3", "gs", "az")


_HOST_NAME = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


def _origin(value: str) -> str:
    if not value:
        return value
    # as browsers write it: what they send is compared with it
    origin = origin_of(value)
    after = value.partition("://")[2].rstrip("/")
    if origin is None or not set("/?#@").isdisjoint(after):
        raise ValueError(
            f"{value!r} is no origin, such as https://video.example.org: scheme and host, no path"
        )
    return origin


def _host_names(values: dict[str, str]) -> dict[str, str]:
    for value in values:
        if not _HOST_NAME.fullmatch(value):
            raise ValueError(f"{value!r} is no host name: name=dialect, without scheme, port and path")
    return values


def _database_url(value: str) -> str:
    try:
        if value:
            plain_url(value)
    except Unavailable as error:
        raise ValueError(error.message) from None
    return value


def _store(value: str) -> str:
    scheme, found, _ = value.partition("://")
    if not found:
        return str(_absolute(Path(value))) if value else value
    if scheme not in STORE_SCHEMES:
        raise ValueError(f"{scheme}:// is no store: a folder, s3://…, gs://… or az://…")
    return value


def _program(value: str) -> str:
    # a bare name is looked for on the PATH
    return str(_absolute(Path(value))) if "/" in value else value


def _absolute(value: Path) -> Path:
    return value.expanduser().absolute()


def _networks(values: list[str]) -> list[str]:
    for value in values:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is neither an address nor a network, such as 10.0.0.0/8") from None
    return values


def _hosts_or_networks(values: list[str]) -> list[str]:
    Allowed(values)
    return values


HostNames = Annotated[dict[str, str], AfterValidator(_host_names)]
"""name in lower case -> anything"""
Origin = Annotated[str, AfterValidator(_origin)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
Store = Annotated[str, AfterValidator(_store)]
"""a URL, or an absolute path"""
Program = Annotated[str, AfterValidator(_program)]
Place = Annotated[Path, AfterValidator(_absolute)]
"""absolute: the processes of an installation run in other folders than its commands"""
Networks = Annotated[list[str], AfterValidator(_networks)]
HostsOrNetworks = Annotated[list[str], AfterValidator(_hosts_or_networks)]


def beside(file: Path, values: Mapping[str, str | None], paths: frozenset[str]) -> dict[str, str | None]:
    """The values of a file of settings, with relative paths below the file's folder.

    Args:
        paths: names of the values that may be paths. URLs and bare names of programs are none.
    """
    return {
        name: str(file.parent / Path(value).expanduser())
        if value and name in paths and "://" not in value and ("/" in value or not name.endswith("ffmpeg"))
        else value
        for name, value in values.items()
    }
