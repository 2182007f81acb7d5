"""Rules that need no disk: keys, etags of parts, names of downloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import Conflict, Invalid, NotFound
from polycast.storage.interface import PartInfo
from polycast.storage.keys import check_folder, check_key, clean_etag
from polycast.storage.parts import check_parts, check_same_parts
from polycast.storage.s3 import check_upload_id, multipart_etag

A, B = "a" * 32, "b" * 32
PARTS = [PartInfo(1, 10, A), PartInfo(3, 5, B)]


@given(st.text(max_size=40) | st.text(alphabet="a./\\\x00-", max_size=12))
def test_a_key_that_passes_stays_below_its_root(text: str) -> None:
    try:
        key = check_key(text)
    except Invalid as error:
        assert error.field == "key"
        return
    assert key == text
    assert not {"", ".", ".."} & set(key.split("/"))
    assert "\x00" not in key


def test_folders() -> None:
    assert check_folder("", allow_root=True) == ""
    assert check_folder("a/b", allow_root=False) == check_folder("a/b/", allow_root=False) == "a/b/"
    with pytest.raises(Invalid):
        check_folder("", allow_root=False)


@pytest.mark.parametrize("etag", [A, f'"{A}"', A.upper(), f' "{A}" '])
def test_etags_as_clients_send_them(etag: str) -> None:
    assert clean_etag(etag) == A
    assert check_parts(PARTS, [(1, etag)]) == PARTS[:1]


def test_small_parts_are_fine_at_the_end_only() -> None:
    assert check_parts(PARTS, [(1, A), (3, B)], 15, min_size=10) == PARTS
    with pytest.raises(Invalid, match="part 1 is smaller"):
        check_parts(PARTS, [(1, A), (3, B)], min_size=11)


def test_a_repeated_completion() -> None:
    check_same_parts(PARTS, [(1, A), (3, f'"{B.upper()}"')])
    for other in ([(1, A)], [(1, A), (3, A)], [(3, B), (1, A)], []):
        with pytest.raises(Conflict):
            check_same_parts(PARTS, other)


def test_the_etag_that_s3_gives_to_a_whole() -> None:
    # md5(md5(hello) + md5(world)), computed by md5sum and xxd
    parts = [(1, "5d41402abc4b2a76b9719d911017c592"), (2, '"7d793037a0760186574b0282f2f435e7"')]
    assert multipart_etag(parts) == "065947336a2f2a95ba8899f3675c3be6-2"
    assert multipart_etag([(1, "not-an-md5")]) == ""


@pytest.mark.parametrize("upload", ["", "a\x00", "a\nb", "ü", "x" * 1025])
def test_upload_ids_that_no_store_gives(upload: str) -> None:
    with pytest.raises(NotFound):
        check_upload_id(upload)
