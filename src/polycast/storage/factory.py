"""From a URL to a store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import MemoryStore, from_url

from polycast.domain.errors import Invalid
from polycast.storage.composed import ComposedStore
from polycast.storage.interface import ObjectStore
from polycast.storage.local import LocalStore


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What a URL does not say.

    Attributes:
        endpoint: 'http(s)://host[:port]' of an S3-compatible server; None is AWS.
        access_key, secret_key, session_token: of S3. Required there: instance roles are not looked up.
        spool: folder for parts on their way to a remote store (as large as the parts being received).
        extra: configuration of obstore for GCS and Azure, such as `service_account_path`, `account_name`; what is
            not in it is taken from the environment variables of those services.
    """

    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    spool: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


def open_store(url: str, options: StoreOptions | None = None) -> ObjectStore:
    """Open the store that a URL names.

    - a plain path or `file:///folder`: files below that folder (made if absent)
    - `s3://bucket[/folder]`
    - `gs://bucket[/folder]`, `az://container[/folder]`: uploads in parts pass through us
    - `memory://`: gone with the process, for tests

    Raises:
        Invalid: a URL that names no store (field 'url'), or S3 without credentials.
    """
    options = options or StoreOptions()
    parts = urlsplit(url)
    match parts.scheme:
        case "":
            return LocalStore(Path(url))
        case "file" if parts.path and not parts.netloc:
            return LocalStore(Path(unquote(parts.path)))
        case "memory":
            return ComposedStore(MemoryStore(), spool=options.spool)
        case "s3" if parts.netloc:
            if not (options.access_key and options.secret_key):
                raise Invalid("S3 needs an access key and a secret key", field="access_key")
            # botocore's signer is a tenth of a start that most installations do not need
            from polycast.storage.s3 import S3Store
            from polycast.storage.s3_requests import S3Account

            account = S3Account(
                bucket=parts.netloc,
                region=options.region,
                access_key=options.access_key,
                secret_key=options.secret_key,
                session_token=options.session_token,
                endpoint=options.endpoint,
                prefix=parts.path.strip("/"),
            )
            return S3Store(account, spool=options.spool)
        case "gs" | "az" if parts.netloc:
            try:
                # the keys of the mapping depend on the store: obstore checks them
                backend = from_url(url, config=dict(options.extra))  # type: ignore[call-overload]
            except BaseError as error:
                why = str(error).partition("\n")[0]  # below stands a debugging form
                raise Invalid(
                    f"the store {parts.scheme}://{parts.netloc} cannot be opened: {why}", field="url"
                ) from error
            return ComposedStore(backend, spool=options.spool)
        case _:
            raise Invalid("no store knows this URL", field="url")
