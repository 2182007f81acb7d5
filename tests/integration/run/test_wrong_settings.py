"""A setting that names what is not there: said before any process starts, with exit code 78."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.run.installations import run

NETWORK = "neither an address nor a network"
CASES = [
    ({"TRUSTED_PROXIES": "nginx"}, f"POLYCAST_TRUSTED_PROXIES: 'nginx' is {NETWORK}"),
    ({"TRUSTED_PROXIES": "*"}, f"POLYCAST_TRUSTED_PROXIES: '*' is {NETWORK}"),
    ({"OUTBOUND_ALLOW": "10.0.0.0/99"}, "POLYCAST_OUTBOUND_ALLOW: '10.0.0.0/99' is neither"),
    (
        {"OUTBOUND_ALLOW": "localhost"},
        "POLYCAST_OUTBOUND_ALLOW: 'localhost': this machine is allowed by its address",
    ),
    (
        {"DATABASE_URL": "mysql://x/y"},
        "POLYCAST_DATABASE_URL: the database URL must begin with postgresql://",
    ),
    ({"STORE": "s3://bucket"}, "POLYCAST_S3_ACCESS_KEY: S3 needs an access key and a secret key"),
    ({"STORE": "az://container"}, "POLYCAST_STORE: the store az://container cannot be opened"),
    ({"STORE": "{folder}/notes"}, "POLYCAST_STORE: {folder}/notes cannot be used"),
    ({"FFMPEG": "{folder}/none"}, "POLYCAST_FFMPEG: {folder}/none is no program"),
    (
        {"TLS_CERTIFICATE": "{folder}/none.pem", "TLS_KEY": "{folder}/none.pem"},
        "POLYCAST_TLS_CERTIFICATE: {folder}/none.pem: No such file",
    ),
    (
        {"TLS_CERTIFICATE": "{folder}/notes", "TLS_KEY": "{folder}/none.pem"},
        "POLYCAST_TLS_KEY: {folder}/none.pem: No such file",
    ),
    (
        {"TLS_CERTIFICATE": "{folder}/notes", "TLS_KEY": "{folder}/notes"},
        "POLYCAST_TLS_CERTIFICATE: {folder}/notes and {folder}/notes are no pair",
    ),
]


@pytest.mark.parametrize("role", ["up", "api"])
@pytest.mark.parametrize(("settings", "said"), CASES, ids=[said.partition(":")[0] for _, said in CASES])
def test_a_wrong_setting_is_named(role: str, settings: dict[str, str], said: str, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("Not a certificate.")
    given = {name: value.format(folder=tmp_path) for name, value in settings.items()}
    done = run(role, DATA=str(tmp_path / "data"), HTTP_HOST="127.0.0.1", HTTP_PORT="0", **given)
    assert done.returncode == 78, done.stderr
    assert f"polycast: {said.format(folder=tmp_path)}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data" / "postgres").exists(), "nothing was made"


def test_a_key_with_a_passphrase_asks_no_terminal(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    given = {"TLS_CERTIFICATE": str(tmp_path / "key.pem"), "TLS_KEY": str(tmp_path / "key.pem")}
    done = run("up", DATA=str(tmp_path / "data"), HTTP_HOST="127.0.0.1", HTTP_PORT="0", **given)
    assert done.returncode == 78, done.stderr
    assert "POLYCAST_TLS_CERTIFICATE" in done.stderr
