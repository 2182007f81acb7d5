"""All settings, in one typed tree. Read by `bootstrap` and `cli` only, which pass plain values down.

Each comes from the environment (`POLYCAST_…`), else from the file `polycast.env` in the data folder, else
from its default. docs/configuration.md is generated from this file.
"""

import contextlib
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from polycast.domain.errors import Invalid
from polycast.setting_values import (
    DatabaseUrl,
    HostNames,
    HostsOrNetworks,
    Networks,
    Origin,
    Place,
    Program,
    Store,
    beside,
)

PREFIX = "POLYCAST_"
ENV_FILE = "polycast.env"
SECRET_FILE = "secret.key"  # noqa: S105 - a file's name
DIALECTS = ("videokit", "gotipath", "gjirafa", "fivecentscdn", "streamdo")
PATHS = frozenset(f"{PREFIX}{name}".lower() for name in ("store", "tls_certificate", "tls_key", "ffmpeg"))
"""settings that may be relative: to the present folder, in the file to the file's own"""


def default_data() -> Path:
    """`/var/lib/polycast` for root, else `~/.local/share/polycast`."""
    return Path("/var/lib/polycast") if os.geteuid() == 0 else Path.home() / ".local/share/polycast"


class Settings(BaseSettings):
    """Every setting with its unit and default.

    Raises (when built):
        pydantic.ValidationError: a value is not of its type or out of range; names the setting.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    # -- where things are
    data: Place = Field(
        default_factory=default_data,
        description="Folder of everything that is kept: database, objects, secret key. Made at the first start.",
        json_schema_extra={"shown_default": "`~/.local/share/polycast`, as root `/var/lib/polycast`"},
    )
    database_url: DatabaseUrl = Field(
        "",
        description="PostgreSQL to use, `postgresql://user:password@host/database`. "
        "Empty: the embedded one, in the data folder.",
        json_schema_extra={"secret": True},
    )
    store: Store = Field(
        "",
        description="Object store: a folder, or `s3://bucket/prefix`, `gs://…`, `az://…`. "
        "Empty: `store` in the data folder.",
    )
    s3_endpoint: str = Field("", description="`https://host` of an S3-compatible server. Empty: AWS.")
    s3_region: str = Field("us-east-1", description="Region of the S3 bucket.")
    s3_access_key: str = Field("", description="Access key of the S3 store.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of the S3 store.")
    s3_redirect: bool = Field(
        False,
        description="Send viewers to presigned URLs of the S3 store instead of passing segments through.",
    )
    cache_bytes: int = Field(
        10 * 1024**3,
        ge=0,
        description="Bytes of disk that the read-through cache of a remote store may use.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key under which stored secrets are encrypted and URLs are signed, at least 32 characters. "
        "Empty: `secret.key` in the data folder, made at the first start. All nodes need the same one.",
    )

    # -- how it is reached
    http_host: str = Field("0.0.0.0", description="Address the HTTP server listens on.")  # noqa: S104
    http_port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP server.")
    tls_certificate: Place | None = Field(
        None,
        description="PEM file of the certificate chain; with it the server speaks HTTPS and HTTP/2. "
        "Read at the start: restart after a renewal.",
    )
    tls_key: Place | None = Field(None, description="PEM file of the certificate's private key.")
    public_url: Origin = Field(
        "",
        description="Origin in all absolute URLs, such as `https://video.example.org`. Empty: the request's Host.",
    )
    player_origin: Origin = Field(
        "",
        description="Origin of its own for player and embed pages, so that HTML of tenants in them reaches nothing of "
        "the public URL's origin. Scripts in themes run there, and nowhere else. Empty: the public URL.",
    )
    trusted_proxies: Annotated[Networks, NoDecode] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose `X-Forwarded-*` headers are believed, by commas.",
    )
    hosts: Annotated[HostNames, NoDecode] = Field(
        default_factory=dict,
        description="Serve a dialect also by host name at its vendor's own path: `host=dialect,…`; dialects are "
        + ", ".join(f"`{name}`" for name in DIALECTS)
        + ".",
    )
    client_silence_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Seconds that a client may say nothing while it sends a request, or between two requests on one "
        "connection (over HTTP/2 five minutes at least); then it is cut off. Over so long a time a body must also bring 1 KiB/s.",
    )
    accel_redirect: str = Field(
        "",
        description="Internal nginx location (`/objects/`) that serves the object folder; "
        "segments are then sent by `X-Accel-Redirect`. Empty: by Polycast itself.",
    )
    metrics_key: SecretStr = Field(
        SecretStr(""),
        description="Bearer token, at least 32 characters, that opens `/metrics` to other machines. "
        "Empty: it answers programs of this machine alone.",
    )
    metrics_public: bool = Field(False, description="Answer `/metrics` to everybody.")

    # -- processes
    api_workers: int = Field(1, ge=1, le=64, description="HTTP server processes.")
    encode_workers: int = Field(
        0, ge=0, le=256, description="Encodes that run at once on this machine. 0: one per CPU core."
    )
    encode_threads: int = Field(
        1, ge=1, le=64, description="Threads of one encode. More help a single video, not many."
    )
    package_workers: int = Field(
        2, ge=1, le=64, description="Probes and packagings that run at once on this machine."
    )
    pull_workers: int = Field(
        8,
        ge=1,
        le=256,
        description="Pulls that run at once on this machine. One tenant gets about half of those free.",
    )
    heartbeat_s: float = Field(2.0, gt=0, description="Seconds between a worker's signs of life.")
    stalled_after_s: float = Field(
        15.0,
        gt=0,
        description="Seconds of silence after which a worker's jobs are taken over; several heartbeats.",
    )
    stop_grace_s: float = Field(
        3.0,
        ge=0,
        description="Seconds that running jobs may still work when a worker is stopped; then they go back.",
    )

    restart_pause_s: float = Field(
        0.5,
        gt=0,
        description="Seconds before a process that ended is started again; doubles each time, up to ten times as long.",
    )

    # -- media
    ffmpeg: Program = Field(
        "", description="Path of the ffmpeg program. Empty: the one that comes with Polycast."
    )
    sandbox: Literal["require", "prefer", "off"] = Field(
        "require",
        description="Confinement of all programs that read foreign media: `require` refuses to work without it, "
        "`prefer` warns in the log and works, `off` is for trusted sources only.",
    )
    chunk_s: float = Field(30.0, gt=0, description="Seconds of video in one encoding job.")
    segment_s: float = Field(4.0, gt=0, le=10, description="Seconds of video in one segment, about.")
    child_memory_bytes: int = Field(
        4 * 1024**3, ge=256 * 1024**2, description="Bytes of memory that one encoding program may use."
    )

    # -- uploads
    upload_expiry_s: int = Field(
        172_800, gt=0, description="Seconds after which an unfinished upload is dropped."
    )
    upload_max_bytes: int = Field(256 * 1024**3, gt=0, description="Bytes of the largest file accepted.")
    quota_bytes: int = Field(
        0, ge=0, description="Bytes of storage per tenant, unless the tenant has its own quota. 0: no limit."
    )
    retention_days: int = Field(
        0,
        ge=0,
        description="Days after which videos are deleted, unless the tenant says otherwise. 0: never.",
    )
    outbound_allow: Annotated[HostsOrNetworks, NoDecode] = Field(
        default_factory=list,
        description="Private networks and hosts that pulls may reach nevertheless, by commas "
        "(`10.1.0.0/16,nas.lan`). All other private addresses are refused. A name stands for the addresses in private "
        "networks that it has when it is asked for; this machine itself and link-local addresses need a network.",
    )

    # -- playback
    session_s: int = Field(6 * 3600, gt=0, description="Seconds that a playback session lives.")

    # -- the log
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="`auto` is text on a terminal, else JSON lines."
    )

    @field_validator("trusted_proxies", "outbound_allow", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        return (
            [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
        )

    @field_validator("hosts", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [word.partition("=") for word in value.split(",") if word.strip()]
        return {host.strip().lower(): dialect.strip() for host, _, dialect in pairs}

    @field_validator("hosts")
    @classmethod
    def _known_dialects(cls, value: dict[str, str]) -> dict[str, str]:
        for host, dialect in value.items():
            if dialect not in DIALECTS:
                raise ValueError(f"{host}={dialect}: the dialect must be one of {', '.join(DIALECTS)}")
        return value

    @field_validator("secret_key", "metrics_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("POLYCAST_TLS_CERTIFICATE and POLYCAST_TLS_KEY go together")
        if self.stalled_after_s < 3 * self.heartbeat_s:
            raise ValueError("POLYCAST_STALLED_AFTER_S must be at least three times POLYCAST_HEARTBEAT_S")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments (of the command line), then the environment, then the file in the data folder."""
        if isinstance(dotenv_settings, DotEnvSettingsSource) and isinstance(dotenv_settings.env_file, Path):
            # commands are run in any folder, and all must mean one place
            dotenv_settings.env_vars = beside(dotenv_settings.env_file, dotenv_settings.env_vars, PATHS)
        return init_settings, env_settings, dotenv_settings

    # -- derived

    @property
    def local_url(self) -> str:
        """Where a browser on this machine finds the server."""
        scheme = "https" if self.tls_certificate else "http"
        anywhere = self.http_host in ("", "0.0.0.0", "::", "127.0.0.1")  # noqa: S104
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host
        return f"{scheme}://{loopback() if anywhere else host}:{self.http_port}"

    @property
    def store_url(self) -> str:
        return self.store or str(self.data / "store")

    @property
    def store_folder(self) -> Path | None:
        """Folder of the media store; None when it is elsewhere."""
        parts = urlsplit(self.store_url)
        if parts.scheme == "file" and not parts.netloc:
            return Path(unquote(parts.path))
        return None if parts.scheme else Path(self.store_url)

    @property
    def encode_slots(self) -> int:
        return self.encode_workers or os.cpu_count() or 1

    @property
    def postgres_folder(self) -> Path:
        return self.data / "postgres"

    @property
    def work_folder(self) -> Path:
        """Scratch space of running jobs; what is older than a day goes at start."""
        return self.data / "work"

    @property
    def spool_folder(self) -> Path:
        """Beacons that are not counted yet."""
        return self.data / "spool"

    @property
    def parts_folder(self) -> Path:
        """Parts of uploads on their way to the store; what is older than a day goes at start."""
        return self.spool_folder / "parts"

    @property
    def has_secret(self) -> bool:
        """Whether there is a secret key already."""
        return bool(self.secret_key.get_secret_value()) or (self.data / SECRET_FILE).exists()

    @cached_property
    def secret(self) -> str:
        """The secret key, from its setting or its file, which is made when missing.

        Raises:
            Invalid: the file is there but holds no key.
        """
        return self.secret_key.get_secret_value() or _secret_file(self.data / SECRET_FILE)


def loopback(hosts: Path = Path("/etc/hosts")) -> str:
    """The name of this machine for programs on it: its number where its table of hosts does not know `localhost`.

    A minimal system has no such table, and most programs would then ask a name server, which does not know either.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in hosts.read_text(encoding="utf-8").splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            if address == "127.0.0.1" and "localhost" in names:
                return "localhost"
    return "127.0.0.1"


def load(**given: object) -> Settings:
    """Settings of this process: `given` (from the command line; None is left out) wins over all else.

    Raises:
        pydantic.ValidationError: see `Settings`.
    """
    given = {name: value for name, value in given.items() if value is not None}
    place = given.get("data") or os.environ.get(f"{PREFIX}DATA") or default_data()
    file = Path(str(place)).expanduser().absolute() / ENV_FILE
    return Settings(_env_file=file if file.is_file() else None, **given)  # type: ignore[arg-type]


def _secret_file(path: Path) -> str:
    """Read the key, or make it: two first starts at once end with the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = path.read_text().strip()
    if len(key) < 32:
        raise Invalid(f"{path} holds no key of at least 32 characters", field="secret_key")
    return key
