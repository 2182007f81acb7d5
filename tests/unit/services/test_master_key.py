"""The secret key recognises what was sealed under it."""

import pytest

from polycast.services.master_key import has_sealed
from polycast.services.vault import Vault

KEY = b"a key that is long enough for its use"


def test_what_a_vault_sealed_is_its_own() -> None:
    assert has_sealed(KEY, Vault(KEY).seal("text"))
    assert has_sealed(KEY, Vault(KEY).seal(""))


@pytest.mark.parametrize(
    "sealed",
    ["", "x", "not base64!", "Ünï", Vault(KEY).seal("x")[:-4], Vault(KEY[::-1]).seal("x")],
    # what is sealed differs each time, and with it the names that pytest would make
    ids=["nothing", "short", "no base64", "no ASCII", "cut off", "by another key"],
)
def test_anything_else_is_not(sealed: str) -> None:
    assert not has_sealed(KEY, sealed)
