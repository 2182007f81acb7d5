"""The one error of as-is packaging that asks for another way instead of giving up."""

from polycast.domain.errors import MediaError


class NotPackageable(MediaError):
    """The source plays, but cannot be cut into CMAF as it is: encode it instead.

    Raised for what only reading shows: an open group of pictures, a key frame that is none, a gap
    between key frames over the limit, an edit list that trims frames.
    """

    code = "media_not_packageable"
