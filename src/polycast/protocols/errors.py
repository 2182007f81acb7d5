"""Errors of the wire formats.

    Invalid
    └── ProtocolError      bytes or text that break their format
        ├── TrackLogError  a track log
        ├── PlaylistError  an HLS playlist
        ├── ManifestError  a value that no MPD can carry
        ├── BoxError       ISO base media file format
        └── CaptionError   WebVTT, SRT
    Forbidden
    └── TokenError         a signed token or link
        ├── BadToken       not ours, altered, for another purpose, or not a token at all
        └── ExpiredToken   ours, but its time is over

Every parser below `protocols` returns a value or raises one of these: nothing else, whatever the input.
The messages name what is wrong with the input and carry nothing of ours.
"""

from polycast.domain.errors import Forbidden, Invalid


class ProtocolError(Invalid):
    """Input that breaks its wire format or passes a cap."""

    code = "protocol"


class TrackLogError(ProtocolError):
    """A track log that cannot be read."""

    code = "track_log"


class PlaylistError(ProtocolError):
    """An HLS playlist that breaks RFC 8216bis."""

    code = "playlist"


class ManifestError(ProtocolError):
    """A manifest that cannot be expressed in DASH."""

    code = "manifest"


class BoxError(ProtocolError):
    """A file of the ISO base media file format (ISO/IEC 14496-12) that cannot be read."""

    code = "isobmff"


class CaptionError(ProtocolError):
    """A caption file that is not one."""

    code = "captions"


class TokenError(Forbidden):
    """A signed token that does not admit."""

    code = "token"


class BadToken(TokenError):
    """Not a token of ours, altered, or meant for something else; the message never says which."""

    code = "token_bad"


class ExpiredToken(TokenError):
    """Correctly signed, but over."""

    code = "token_expired"
