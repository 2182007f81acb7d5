"""Hypothesis strategies of domain values that several protocol tests need."""

from hypothesis import strategies as st

from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackLog

counts = st.integers(min_value=0, max_value=2**63 - 1)
names = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
keys = st.lists(names, min_size=1, max_size=3).map("/".join)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
labels = st.none() | st.text(max_size=20)

refs = st.builds(ObjectRef, object=keys, offset=counts, size=counts, sha256=hashes)
segments = st.builds(
    Segment,
    start=st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1),
    duration=counts,
    size=counts,
    object=keys,
    sha256=hashes,
    offset=counts,
    samples=counts,
    flags=st.integers(min_value=0, max_value=7),
    wall_clock_us=st.none() | counts,
)
headers = st.builds(
    TrackHeader,
    kind=st.sampled_from(["video", "audio", "text", "iframe"]),
    codec=st.text(max_size=20),
    timescale=st.integers(min_value=1, max_value=2**32),
    bandwidth=counts,
    average_bandwidth=counts,
    target_duration_s=counts,
    init=st.none() | refs,
    width=counts,
    height=counts,
    frame_rate=st.none() | st.sampled_from(["25/1", "30000/1001"]),
    sample_rate=counts,
    channels=counts,
    video_range=st.sampled_from(["", "SDR", "PQ", "HLG"]),
    language=labels,
    label=labels,
    offset=st.integers(min_value=-(2**62), max_value=2**62),
)
logs = st.builds(
    TrackLog,
    header=headers,
    segments=st.lists(segments, max_size=6).map(tuple),
    epoch=counts,
    complete=st.booleans(),
)
