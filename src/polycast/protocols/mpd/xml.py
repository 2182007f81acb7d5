"""From an MPD value to its text. The XML library escapes; `xml_text` drops what XML 1.0 cannot carry at all."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Final
from xml.etree import ElementTree as ET

from polycast.protocols.errors import ManifestError
from polycast.protocols.mpd.model import (
    AdaptationSet,
    Descriptor,
    Manifest,
    Representation,
    SegmentTemplate,
)
from polycast.protocols.xml_text import xml_text

NAMESPACE: Final = "urn:mpeg:dash:schema:mpd:2011"
PROFILE: Final = "urn:mpeg:dash:profile:isoff-live:2011"
_HTTP_CLOCK: Final = "urn:mpeg:dash:utc:http-iso:2014"


def render(manifest: Manifest) -> str:
    """The MPD as text: stable attribute order, two spaces of indent, a line feed at the end."""
    root = _element(
        None,
        "MPD",
        xmlns=NAMESPACE,
        profiles=PROFILE,
        type="dynamic" if manifest.availability_start else "static",
        mediaPresentationDuration=_maybe(manifest.duration_s),
        availabilityStartTime=_date(manifest.availability_start),
        publishTime=_date(manifest.publish_time),
        minimumUpdatePeriod=_maybe(manifest.update_s),
        suggestedPresentationDelay=_maybe(manifest.suggested_delay_s),
        minBufferTime=duration(manifest.min_buffer_s),
    )
    period = _element(root, "Period", id="0", start="PT0S")
    for adaptation_set in manifest.adaptation_sets:
        _adaptation_set(period, adaptation_set)
    if manifest.utc_timing and manifest.availability_start:
        _element(root, "UTCTiming", schemeIdUri=_HTTP_CLOCK, value=manifest.utc_timing)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def duration(seconds: Fraction | float) -> str:
    """An xs:duration in seconds with at most six decimals; rounded up, since the end must not be cut off."""
    micros = -((-Fraction(seconds) * 1_000_000) // 1)
    if micros < 0:
        raise ManifestError("negative duration")
    whole, rest = divmod(int(micros), 1_000_000)
    return f"PT{whole}.{rest:06}".rstrip("0").rstrip(".") + "S"


def _adaptation_set(parent: ET.Element, item: AdaptationSet) -> None:
    widest = max((r.width for r in item.representations), default=0)
    highest = max((r.height for r in item.representations), default=0)
    element = _element(
        parent,
        "AdaptationSet",
        id=item.id,
        contentType=item.content_type,
        mimeType=item.mime_type,
        lang=item.language,
        segmentAlignment="true" if item.aligned else None,
        startWithSAP=item.sap,
        maxWidth=widest or None,
        maxHeight=highest or None,
    )
    # the order of children is that of the schema
    for kind in ("EssentialProperty", "SupplementalProperty"):
        _descriptors(element, item.descriptors, kind)
    if item.label:
        _element(element, "Label").text = xml_text(item.label)
    _descriptors(element, item.descriptors, "Role")
    for representation in item.representations:
        _representation(element, representation)


def _representation(parent: ET.Element, item: Representation) -> None:
    element = _element(
        parent,
        "Representation",
        id=item.id,
        bandwidth=item.bandwidth,
        codecs=item.codecs,
        width=item.width or None,
        height=item.height or None,
        frameRate=_rate(item.frame_rate),
        audioSamplingRate=item.sample_rate or None,
    )
    for kind in ("AudioChannelConfiguration", "EssentialProperty", "SupplementalProperty"):
        _descriptors(element, item.descriptors, kind)
    if item.base_url:
        _element(element, "BaseURL").text = xml_text(item.base_url)
    if item.template:
        _template(element, item.template)


def _template(parent: ET.Element, item: SegmentTemplate) -> None:
    element = _element(
        parent,
        "SegmentTemplate",
        timescale=item.timescale,
        presentationTimeOffset=item.presentation_time_offset or None,
        duration=item.duration,
        startNumber=item.start_number,
        initialization=item.initialization,
        media=item.media,
    )
    if item.timeline is None:
        return
    timeline = _element(element, "SegmentTimeline")
    for run in item.timeline:
        _element(timeline, "S", t=run.start, d=run.duration, r=run.count - 1 if run.count > 1 else None)


def _descriptors(parent: ET.Element, items: tuple[Descriptor, ...], kind: str) -> None:
    for item in items:
        if item.element == kind:
            _element(parent, kind, schemeIdUri=item.scheme, value=item.value)


def _element(parent: ET.Element | None, tag: str, **attributes: str | int | None) -> ET.Element:
    """A child with the attributes in this order, those that are None left out."""
    given = {name: xml_text(str(value)) for name, value in attributes.items() if value is not None}
    return ET.Element(tag, given) if parent is None else ET.SubElement(parent, tag, given)


def _maybe(seconds: Fraction | float | None) -> str | None:
    return None if seconds is None else duration(seconds)


def _date(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rate(rate: Fraction | None) -> str | None:
    if rate is None:
        return None
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"
