"""Secrets that must be shown or used again, encrypted under the installation's key."""

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken

from polycast.domain.errors import IntegrityError
from polycast.services.master_key import derive


class Vault:
    """Encrypts small texts; also derives purpose-bound keys, so that one file is the whole secret.

    Args:
        master: the content of the installation's secret key, at least 32 bytes of entropy.
    """

    def __init__(self, master: bytes) -> None:
        self._master = master
        self._fernet = Fernet(base64.urlsafe_b64encode(self.derive("vault")))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (HKDF-like: HMAC of the purpose under the master key)."""
        return derive(self._master, purpose)

    def seal(self, text: str) -> str:
        """Ciphertext as ASCII."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text that was sealed.

        Raises:
            IntegrityError: sealed under another key, or damaged.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise IntegrityError("a stored secret cannot be opened with this installation's key") from error


def hash_key(key: str) -> bytes:
    """SHA-256 of an API key; keys are random, so no slow hash is needed."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """A new API key: 288 random bits, 48 characters of the base64url alphabet after a prefix."""
    return "pc_" + secrets.token_urlsafe(36)


def new_signing_key() -> str:
    """A new 256-bit HMAC key in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()
