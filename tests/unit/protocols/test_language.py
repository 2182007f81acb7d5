import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.protocols.language import display_name, normalize, three_letters


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("ger", "de"), ("deu", "de"), ("DE", "de"), ("en_us", "en-US"), ("zho-hans-cn", "zh-Hans-CN"),
        ("cmn", "zh"), ("fil", "fil"), ("sr-latn", "sr-Latn"), ("es-419", "es-419"), ("yue", "yue"),
        ("de-x-MEIN", "de-x-mein"), (" fr ", "fr"),
        (None, None), ("", None), ("und", None), ("zxx", None), ("mul", None), ("x", None), ("e n", None),
        ("../../etc", None), ("de-", None), ("de\n", "de"), ("ünd", None), ("abcdefghi", None),
    ],
)  # fmt: skip
def test_normalize(tag: str | None, expected: str | None) -> None:
    assert normalize(tag) == expected


@given(st.text(max_size=20))
def test_normal_form_is_stable_and_plain(tag: str) -> None:
    normal = normalize(tag)
    assert normal is None or (
        normalize(normal) == normal and normal.isascii() and normal.replace("-", "").isalnum()
    )


def test_names() -> None:
    assert display_name("deu") == "Deutsch"
    assert display_name("pt-br") == "Português (BR)"
    assert display_name("yue") == "yue"
    assert display_name("und") is None


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("de", "deu"), ("ger", "deu"), ("en-US", "eng"), ("yue", "yue"), ("fil", "fil"), (None, "und"), ("../x", "und"),
     ("zz", "und")],
)  # fmt: skip
def test_three_letters(tag: str | None, expected: str) -> None:
    assert three_letters(tag) == expected
