"""ISO base media files (ISO/IEC 14496-12), read only: boxes, movie and fragment summaries, cutting.

All functions take bytes, hold views and raise BoxError and nothing else on broken input.
"""

from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff.boxes import Box, iter_boxes, parse_header
from polycast.protocols.isobmff.fragments import Event, Fragment, FragmentReader, InitSegment, split_fragments
from polycast.protocols.isobmff.moof import MovieFragment, Sample, TrackFragment, read_moof
from polycast.protocols.isobmff.moov import MovieInfo, TrackDefaults, TrackInfo, read_moov
from polycast.protocols.isobmff.sample_entry import SampleEntry

__all__ = [
    "Box",
    "BoxError",
    "Event",
    "Fragment",
    "FragmentReader",
    "InitSegment",
    "MovieFragment",
    "MovieInfo",
    "Sample",
    "SampleEntry",
    "TrackDefaults",
    "TrackFragment",
    "TrackInfo",
    "iter_boxes",
    "parse_header",
    "read_moof",
    "read_moov",
    "split_fragments",
]
