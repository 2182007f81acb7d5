"""DASH manifests (ISO/IEC 23009-1): `manifest` builds the value from track logs, `render` writes it."""

from polycast.protocols.errors import ManifestError
from polycast.protocols.mpd.manifest import Caption, Growing, Thumbnails, manifest
from polycast.protocols.mpd.model import (
    AdaptationSet,
    Descriptor,
    Manifest,
    Representation,
    Run,
    SegmentTemplate,
)
from polycast.protocols.mpd.xml import render
from polycast.protocols.published import PublishedTrack

__all__ = [
    "AdaptationSet",
    "Caption",
    "Descriptor",
    "Growing",
    "Manifest",
    "ManifestError",
    "PublishedTrack",
    "Representation",
    "Run",
    "SegmentTemplate",
    "Thumbnails",
    "manifest",
    "render",
]
