"""URLs of databases."""

from polycast.domain.errors import Unavailable


def plain_url(url: str) -> str:
    """A libpq URL without SQLAlchemy's driver suffix, as psycopg and pg_dump read it.

    Raises:
        Unavailable: not a PostgreSQL URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise Unavailable("the database URL must begin with postgresql://")
    return f"postgresql://{rest}"
