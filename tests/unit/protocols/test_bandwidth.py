from dataclasses import replace

from polycast.domain.tracks import Segment, SegmentFlag
from polycast.protocols.bandwidth import Bandwidth, measure


def made(*parts: tuple[int, int]) -> list[Segment]:
    """Segments of (ticks, bytes)."""
    return [Segment(start=0, duration=ticks, size=size, object="x", sha256="") for ticks, size in parts]


def test_peak_and_average() -> None:
    assert measure(made((4000, 1000), (4000, 3000)), timescale=1000, target_s=4) == Bandwidth(6000, 4000)


def test_a_short_segment_counts_only_with_its_neighbour() -> None:
    # alone the last one would be 80 kbit/s; with its neighbour it is 16/5 kbit/s
    assert measure(made((4000, 1000), (100, 1000)), timescale=1000, target_s=4) == Bandwidth(3903, 3903)


def test_nothing_of_a_fitting_length() -> None:
    assert measure(made((100, 100)), timescale=1000, target_s=4) == Bandwidth(8000, 8000)
    assert measure(made((9000, 900), (9000, 1800)), timescale=1000, target_s=4) == Bandwidth(1600, 1200)


def test_gaps_and_empty_logs() -> None:
    assert measure([], timescale=1000, target_s=4) == Bandwidth(0, 0)
    gap = replace(made((4000, 0))[0], flags=SegmentFlag.GAP)
    assert measure([*made((4000, 1000)), gap], timescale=1000, target_s=4) == Bandwidth(2000, 2000)


def test_rates_are_rounded_up() -> None:
    assert measure(made((3, 1)), timescale=1, target_s=3) == Bandwidth(3, 3)
