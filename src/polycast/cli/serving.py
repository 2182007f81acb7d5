"""The HTTP server process: `python -m polycast.cli.serving`, settings from the environment."""

import multiprocessing
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from polycast import settings as configuration
from polycast.cli.logs import configure
from polycast.cli.ports import check_free
from polycast.domain.errors import PolycastError
from polycast.proc.launcher import die_with_parent
from polycast.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

EX_CONFIG = 78
"""sysexits.h: a restart will not help"""
_STOP_S = 5
_CONNECTIONS = 32_768
"""open at once in one process, at rest or at work: each costs some 10 KB, a viewer has one to six of them"""
_OTHER_FILES = 512
"""descriptors of everything else: the database, the store, the log"""
_HEAD_BYTES = 64 * 1024
"""of one HTTP/2 request: of a head that does not end, so much is kept for each connection"""
_PING_MS = 20_000
"""HTTP/2 clients that left without a word are found out by it"""


def create_app() -> "ASGIApp":
    """The application of one server process, made by Granian in the process it starts for it."""
    # Granian's workers outlive a killed Granian, and would keep the port; it may have been killed already
    granian = multiprocessing.parent_process()
    die_with_parent(None, granian.pid if granian is not None else os.getppid())
    settings = configuration.load()
    configure(settings.log_level, settings.log_format)
    from polycast.db import migrate
    from polycast.server import create_app as wired

    # the database starts, and migrates, while all this was loaded
    migrate.wait_blocking(settings.database_url)
    return wired()


def serve(settings: Settings) -> None:
    """Serve HTTP until SIGTERM or SIGINT. The environment must hold POLYCAST_DATABASE_URL.

    Raises:
        PortTaken, Conflict: the port cannot be had.
    """
    check_free(settings.http_host, settings.http_port)
    import gc

    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    import polycast.server  # noqa: F401 - loaded once, shared by the workers that are forked from here

    gc.freeze()  # a collection in a worker would otherwise touch, and so copy, all of it
    tls = settings.tls_certificate is not None
    Granian(
        "polycast.cli.serving:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.http_host,
        port=settings.http_port,
        workers=settings.api_workers,
        # HTTP/2 by ALPN where there is TLS; without, browsers speak only HTTP/1. Its "auto" looks at the first
        # bytes without a clock: a client that sends none after its handshake is found by `Connections`
        http=HTTPModes.auto if tls else HTTPModes.http1,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        loop=Loops.uvloop,
        websockets=False,
        backlog=2048,
        # open connections of one process, those at rest too; the rest waits in the backlog
        backpressure=connections(),
        # the time for a head begins with the connection, and anew where the last answer ended
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.client_silence_s * 1000)),
        http2_settings=HTTP2Settings(keep_alive_interval=_PING_MS, max_headers_size=_HEAD_BYTES),
        respawn_failed_workers=True,
        # a player that reads slowly must not hold up the stop
        workers_kill_timeout=_STOP_S,
        log_level=LogLevels.warning,
    ).serve()


def connections() -> int:
    """How many connections this process may hold open; raises its limit on descriptors as far as it may.

    An answer may have a file open beside its connection. With more connections than descriptors the server
    could not take any new one, and would try without a pause.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    have = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return max(64, (have - _OTHER_FILES) // 2)


def main() -> int:
    """Run by `polycast up` for each server it keeps up."""
    # Granian installs its own handlers; until then an early stop must not leave a traceback
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(configuration.load())
    except PolycastError as error:
        print(error.message, file=sys.stderr)
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
