"""Ports of this machine: whether one is taken, by whom, and which one is free."""

import errno
import socket

from polycast.domain.errors import Conflict


class PortTaken(Conflict):
    """Somebody else listens on the port."""

    code = "port_taken"

    def __init__(self, host: str, port: int, holder: str) -> None:
        super().__init__(
            f"port {port} on {host} is taken{f' by {holder}' if holder else ''}: "
            "stop that program, or choose another port with --port or POLYCAST_HTTP_PORT"
        )
        self.port = port


def check_free(host: str, port: int) -> None:
    """Raises PortTaken when nothing could listen there; Conflict when the address is not this machine's."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            # a server of ours that ended a moment ago must not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, _holder(port)) from None
        if error.errno == errno.EACCES:
            raise Conflict(f"port {port} needs root: choose one above 1023 with --port") from None
        raise Conflict(f"cannot listen on {host} port {port}: {error.strerror or error}") from None


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now.

    Raises:
        Conflict: the address is not this machine's.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise Conflict(f"cannot listen on {host}: {error.strerror or error}") from None


def _holder(port: int) -> str:
    """Name and number of the listening process; "" when the system does not tell us."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            address = tuple(connection.laddr)
            if connection.status == psutil.CONN_LISTEN and address[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
