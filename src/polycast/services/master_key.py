"""The installation's secret key: what is derived from it, and whether a sealed text is its own.

Without any library: `polycast up` looks at each start, and need not load what seals for it.
"""

import base64
import binascii
import hashlib
import hmac

_SIGNATURE_BYTES = 32


def derive(master: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose (HKDF-like: HMAC of the purpose under the master key).

    Args:
        master: the content of the secret key, at least 32 bytes of entropy.
    """
    return hashlib.blake2b(purpose.encode(), key=master[:64], digest_size=32).digest()


def has_sealed(master: bytes, sealed: str) -> bool:
    """Whether a `Vault` of this key sealed the text; its signature says so without opening it.

    The form is Fernet's: the last 32 bytes are the HMAC-SHA256 of all before them, under the first half
    of the key.
    """
    try:
        token = base64.urlsafe_b64decode(sealed)
    except (binascii.Error, ValueError):
        return False
    signed, signature = token[:-_SIGNATURE_BYTES], token[-_SIGNATURE_BYTES:]
    return hmac.compare_digest(hmac.digest(derive(master, "vault")[:16], signed, "sha256"), signature)
