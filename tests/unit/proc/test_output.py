"""Lines and last words of a child's output, however the bytes are cut."""

from hypothesis import given
from hypothesis import strategies as st

from polycast.proc.output import Lines, Tail


@given(st.lists(st.text(alphabet="ab é", min_size=1), max_size=20), st.data())
def test_lines_do_not_depend_on_the_cuts(lines: list[str], data: st.DataObject) -> None:
    content = "".join(line + "\n" for line in lines).encode()
    reader = Lines(1000)
    found: list[str | None] = []
    at = 0
    while at < len(content):
        size = data.draw(st.integers(1, 7))
        found += reader.feed(content[at : at + size])
        at += size
    assert found == lines
    assert reader.rest() is None


def test_carriage_returns_end_lines() -> None:
    reader = Lines(100)
    assert list(reader.feed(b"frame=1\rframe=2\r\nend")) == ["frame=1", "frame=2"]
    assert reader.rest() == "end"


def test_a_line_too_long_is_told_once_and_not_kept() -> None:
    reader = Lines(10)
    assert list(reader.feed(b"x" * 11)) == [None]
    assert reader.rest() is None
    assert list(reader.feed(b"y" * 5 + b"\n")) == ["y" * 5]
    assert list(reader.feed(b"z" * 11 + b"\nok\n")) == [None, "ok"]


def test_foreign_bytes_do_not_raise() -> None:
    assert list(Lines(10).feed(b"\xff\xfe\n")) == ["\ufffd\ufffd"]


def test_the_tail_keeps_the_end() -> None:
    tail = Tail(4)
    tail.feed(b"abc")
    tail.feed(b"defg")
    assert tail.text() == "defg"
