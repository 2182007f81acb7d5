"""A certificate of our own for 127.0.0.1."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of a self-signed certificate and its key."""

    path: Path
    key: Path

    @property
    def settings(self) -> dict[str, object]:
        """With which a server speaks TLS."""
        return {"tls_certificate": self.path, "tls_key": self.key}

    def trusted(self, *protocols: str) -> ssl.SSLContext:
        """For a client that offers `protocols` by ALPN."""
        context = ssl.create_default_context(cafile=str(self.path))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def self_signed(folder: Path) -> Certificate:
    """Make one in a folder."""
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made.key), "-out", str(made.path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
