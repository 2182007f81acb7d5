import hmac
import uuid
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import Forbidden, Invalid
from polycast.protocols import signing
from polycast.protocols.errors import BadToken, ExpiredToken
from polycast.protocols.signing import Keyring, Session

NOW = 1_700_000_100
RING = Keyring("a", {"a": b"0123456789abcdef", "b": b"fedcba9876543210"})
OLDER = Keyring("b", RING.secrets)
STRANGER = Keyring("a", {"a": b"another secret!!"})
ASSET = "5a6b7c8d-0000-4000-8000-000000000001"


def session(**change: object) -> Session:
    claims: dict[str, object] = {
        "asset": ASSET, "issued": NOW, "start_until": NOW + 600, "stop_at": NOW + 7200, "viewer": None,
    }  # fmt: skip
    return Session(**(claims | change))  # type: ignore[arg-type]


def tokens() -> list[tuple[str, Callable[[Keyring, str], object]]]:
    return [
        (
            signing.sign_upload_part(RING, upload="up_1", part=3, max_bytes=5, expires=NOW + 9),
            lambda ring, token: signing.verify_upload_part(ring, token, now=NOW),
        ),
        (
            signing.sign_session(RING, session(viewer="é.b/c")),
            lambda ring, token: signing.verify_session(ring, token, now=NOW),
        ),
        (
            signing.sign_link(RING, "/p", expires=NOW + 9, purpose="preview"),
            lambda ring, token: signing.verify_link(ring, token, "/p", purpose="preview", now=NOW),
        ),
    ]


def test_the_form_is_fixed() -> None:
    token = signing.sign_upload_part(RING, upload="up_1", part=3, max_bytes=5, expires=9)
    signed, signature = token.rsplit(".", 1)
    assert signed == "a.up_1.3.5.9"
    mac = hmac.digest(b"0123456789abcdef", b"polycast 1\n11\nupload-part\na.up_1.3.5.9", "sha256")[:16]
    assert signing._decode(signature) == mac


def test_upload_part() -> None:
    token = signing.sign_upload_part(RING, upload="up_1", part=3, max_bytes=5, expires=NOW + 9)
    claims = signing.verify_upload_part(RING, token, now=NOW + 8.9)
    assert claims == signing.UploadPart("up_1", 3, 5, NOW + 9)
    with pytest.raises(ExpiredToken):
        signing.verify_upload_part(RING, token, now=NOW + 9)


def test_session() -> None:
    token = signing.sign_session(RING, session(viewer="Zoë <z@example.org>"))
    assert signing.verify_session(RING, token, now=NOW) == session(viewer="Zoë <z@example.org>").rounded()
    assert quote(token, safe="") == token
    assert len(token) < 400


def test_equal_claims_within_five_minutes_give_equal_tokens() -> None:
    start = NOW - NOW % 300
    tokens = {
        signing.sign_session(
            RING, session(issued=start + n, start_until=start + 600 - n, stop_at=start + 3600 - n)
        )
        for n in (0, 1, 299)
    }
    assert len(tokens) == 1
    assert signing.sign_session(RING, session(viewer="v")) != signing.sign_session(RING, session())


def test_two_clocks() -> None:
    claims = session().rounded()
    assert claims.start_until % 300 == claims.stop_at % 300 == claims.issued % 300 == 0
    assert claims.start_until >= NOW + 600
    token = signing.sign_session(RING, session())
    later = claims.start_until
    assert signing.verify_session(RING, token, now=later)
    with pytest.raises(ExpiredToken):
        signing.verify_session(RING, token, now=later, starting=True)
    with pytest.raises(ExpiredToken):
        signing.verify_session(RING, token, now=claims.stop_at)
    # a start after the end is no start
    with pytest.raises(ExpiredToken):
        session(start_until=NOW + 9000).check(NOW + 7200, starting=True)


def test_renewal_in_the_last_third() -> None:
    claims = session(issued=0, stop_at=300)
    assert not claims.wants_renewal(199)
    assert claims.wants_renewal(200)


def test_link() -> None:
    token = signing.sign_link(RING, "/media/a b/x.mp4", expires=NOW + 9, purpose="download")
    assert signing.verify_link(RING, token, "/media/a b/x.mp4", purpose="download", now=NOW) == NOW + 9
    for path, purpose in [
        ("/media/a b/y.mp4", "download"),
        ("/media/a b/x.mp4", "preview"),
        ("", "download"),
    ]:
        with pytest.raises(BadToken):
            signing.verify_link(RING, token, path, purpose=purpose, now=NOW)
    with pytest.raises(ExpiredToken):
        signing.verify_link(RING, token, "/media/a b/x.mp4", purpose="download", now=NOW + 9)


def test_keys_rotate() -> None:
    for token, verify in tokens():
        verify(OLDER, token)
        with pytest.raises(BadToken):
            verify(STRANGER, token)
        with pytest.raises(BadToken):
            verify(Keyring("b", {"b": RING.secrets["b"]}), token)


def test_one_purpose_is_not_another() -> None:
    made = tokens()
    for token, _ in made:
        for other, verify in made:
            if token != other:
                with pytest.raises(BadToken):
                    verify(RING, token)
    # the border between purpose and path cannot be moved
    token = signing.sign_link(RING, "b\nc", expires=NOW + 9, purpose="a")
    with pytest.raises(Invalid):
        signing.verify_link(RING, token, "c", purpose="a\nb", now=NOW)


def test_every_altered_character_is_seen() -> None:
    for token, verify in tokens():
        for position, char in enumerate(token):
            for other in {"A", "b", "1", ".", "_", "é"} - {char}:
                with pytest.raises(Forbidden):
                    verify(RING, token[:position] + other + token[position + 1 :])
            with pytest.raises(BadToken):
                verify(RING, token[:position])
            with pytest.raises(BadToken):
                verify(RING, token[: position + 1] + token[position:])
        with pytest.raises(BadToken):
            verify(RING, token + "=")


@given(st.text(max_size=500) | st.text("ab.019_-", max_size=500))
def test_any_text_is_refused(text: str) -> None:
    for _, verify in tokens():
        with pytest.raises(BadToken):
            verify(RING, text)


@given(
    asset=st.uuids(version=4).map(str),
    times=st.tuples(*[st.integers(0, 10**12)] * 3),
    viewer=st.none() | st.text(min_size=1, max_size=24),
    renew=st.none() | st.integers(0, 10**12),
)
def test_session_round_trip(
    asset: str, times: tuple[int, int, int], viewer: str | None, renew: int | None
) -> None:
    claims = Session(asset, *times, viewer, renew)
    token = signing.sign_session(RING, claims)
    assert len(token) < 400
    assert claims.rounded() == claims.rounded().rounded()
    if times[2]:
        assert signing.verify_session(RING, token, now=0) == claims.rounded()


@pytest.mark.parametrize(
    "sign",
    [
        lambda: signing.sign_session(RING, session(asset="a.b")),
        lambda: signing.sign_session(RING, session(asset="")),
        lambda: signing.sign_session(RING, session(asset="x" * 65)),
        lambda: signing.sign_session(RING, session(viewer="x" * 97)),
        lambda: signing.sign_session(RING, session(stop_at=10**17)),
        lambda: signing.sign_upload_part(RING, upload="u", part=-1, max_bytes=1, expires=1),
        lambda: signing.sign_link(RING, "/", expires=1, purpose="a b"),
        lambda: Keyring("x", {"a": b"0123456789abcdef"}),
        lambda: Keyring("a", {"a": b"short"}),
        lambda: Keyring("a.b", {"a.b": b"0123456789abcdef"}),
    ],
)
def test_what_cannot_be_signed(sign: Callable[[], object]) -> None:
    with pytest.raises(Invalid):
        sign()


def test_secrets_do_not_print() -> None:
    assert "0123" not in repr(RING)


def test_the_longest_session_fits() -> None:
    longest = session(asset=str(uuid.UUID(int=1)), viewer="é" * 48, renew_until=10**15)
    assert len(signing.sign_session(Keyring("k" * 16, {"k" * 16: b"0" * 32}), longest)) < 400
