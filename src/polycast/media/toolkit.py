"""The media engine's front: one object with everything that can be done to a source file."""

from dataclasses import dataclass

from polycast.media.audio import AudioEncoding
from polycast.media.encode import Encoding
from polycast.media.encode_slice import Slicing
from polycast.media.encode_source import Preparing
from polycast.media.package import Packaging
from polycast.media.probe import Probing


@dataclass(frozen=True, kw_only=True)
class MediaToolkit(Probing, Packaging, Preparing, Slicing, Encoding, AudioEncoding):
    """Probe, package, encode, pictures, captions: each in a sandboxed child.

    Add a capability as a mix-in: `class Encoding(Tools)` in its own module, named in the bases here.
    Construct with `MediaToolkit(ffmpeg=..., work_root=...)`; see `Tools` for the rest.
    """
