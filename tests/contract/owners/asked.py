"""One request, as data: what an owner may send, and others may not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import httpx

from polycast.domain.access import Role
from tests.support.server import TenantKey


@dataclass(frozen=True, slots=True)
class Asked:
    """A request below a dialect's base address.

    Attributes:
        path: values by the name of the path's parameter.
        events: what the ledger says of it once it went through, in order; None: exactly one event, of any type.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    events: tuple[str, ...] | None = None

    def on(self, **path: str) -> "Asked":
        """The same request with other values in its path."""
        return replace(self, path={**self.path, **path})


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the document."""

    id: str
    method: str
    template: str

    def address(self, asked: Asked) -> str:
        path = self.template
        for name, value in asked.path.items():
            path = path.replace("{" + name + "}", value).replace("{" + name + ":path}", value)
        assert "{" not in path, path
        return path

    @property
    def reads(self) -> bool:
        return self.method in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Rules:
    """Of a dialect's operations, by id.

    Attributes:
        roles: the least role an operation asks for, where that is not: viewer to read, editor for the rest.
        ours: they name nobody's object: what they do is the caller's own by its key.
        public: asked by who has no key: viewers of a video, or whoever is about to get a token.
        quiet: they write no event though they are no reads.
        bulk: they may answer 200 with a verdict per id.
    """

    roles: Mapping[str, Role]
    ours: frozenset[str]
    public: frozenset[str] = frozenset()
    quiet: frozenset[str] = frozenset()
    bulk: frozenset[str] = frozenset()

    def named(self) -> set[str]:
        """All operations that are named here."""
        return set(self.roles).union(self.ours, self.public, self.quiet, self.bulk)

    def needed(self, operation: Operation) -> Role:
        """The least role that may do it."""
        return self.roles.get(operation.id, Role.VIEWER if operation.reads else Role.EDITOR)


class Owner(Protocol):
    """A tenant in one dialect; `base` is the dialect's address, `operations` its whole document."""

    base: str
    tenant: TenantKey
    http: httpx.AsyncClient
    rules: Rules
    operations: Mapping[str, Operation]

    async def prepare(self) -> None:
        """Read the document, and make what the requests are about."""
        ...

    async def ask(self, operation: str) -> Asked:
        """A request that the owner may make, on objects of its own; fresh ones where it consumes them."""
        ...

    async def across(self, operation: str, other: Any) -> list[Asked]:
        """Requests of `other` on its own things, with ids of this owner's things in path, query or body."""
        ...

    def credentials(self, key: str, asked: Asked | None = None) -> dict[str, str]:
        """Headers of who has `key` and names this tenant, or the one that is asked for."""
        ...


async def documented(http: httpx.AsyncClient, base: str) -> Mapping[str, Operation]:
    """Every operation of the document that a dialect shows, by id."""
    document = (await http.get(f"{base}/openapi.json")).json()
    return {
        operation["operationId"]: Operation(operation["operationId"], method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def send(owner: Owner, operation: Operation, asked: Asked, **headers: str) -> httpx.Response:
    """The answer to a request with these headers and no other credentials."""
    body = {"json": asked.body} if asked.body is not None else {}
    return await owner.http.request(
        operation.method,
        owner.base + operation.address(asked),
        params=dict(asked.query),
        data=dict(asked.form) if asked.form is not None else None,
        content=asked.content,
        headers={**asked.headers, **headers},
        **body,
    )
