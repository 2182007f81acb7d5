"""What a player page is made from: the contract between delivery and the player in the browser.

The field names are the JSON names; `web/src/config.ts` is the other side. Times are seconds, sizes
pixels, URLs absolute or relative to the page.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["processing", "ready", "error"]


@dataclass(frozen=True, slots=True)
class AssetInfo:
    """What plays. Width and height are those of the shown picture; they spare the page a jump."""

    code: str
    title: str
    description: str = ""
    duration_s: float | None = None
    kind: Literal["video", "audio"] = "video"
    live: bool = False
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """URLs of the manifests; None where there is none (DASH of a stream that still grows).

    `mp4`: a whole file, where that is all there is.
    """

    hls: str | None = None
    dash: str | None = None
    mp4: str | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named stretch; `end_s` None reaches to the next chapter or the end."""

    title: str
    start_s: float
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """A WebVTT file. `language` is a BCP 47 tag; an empty label is named by the browser."""

    language: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class CaptionStyle:
    """Look of captions: size in pixels, CSS colours; None = the player's own."""

    font_size: int | None = None
    font_color: str | None = None
    background_color: str | None = None


@dataclass(frozen=True, slots=True)
class Controls:
    """What the player shows: each flag is one visible thing."""

    big_play: bool = True
    play_pause: bool = True
    mute: bool = True
    volume: bool = True
    captions: bool = True
    settings: bool = True
    picture_in_picture: bool = True
    current_time: bool = True
    remaining_time: bool = False
    total_time: bool = True
    progress: bool = True
    heatmap: bool = True
    double_tap: bool = True
    airplay: bool = True
    fullscreen: bool = True


@dataclass(frozen=True, slots=True)
class MenuSettings:
    """Which entries the settings menu has, each only where there is something to choose."""

    captions: bool = True
    quality: bool = True
    speed: bool = True
    loop: bool = True


@dataclass(frozen=True, slots=True)
class Theme:
    """A tenant's look.

    `head_html` and `footer_html` are put into the page as they are. They are trusted as far as the
    page's policy goes and no further: see `PagePolicy.custom_scripts`.
    """

    primary_color: str | None = None
    font_family: str | None = None
    font_size: int | None = None
    caption: CaptionStyle = field(default_factory=CaptionStyle)
    controls: Controls = field(default_factory=Controls)
    settings: MenuSettings = field(default_factory=MenuSettings)
    language: str | None = None
    head_html: str = ""
    footer_html: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """How playback begins. The page's own address may override: `?t=90&autoplay=1&muted=1`.

    `resume`: go on where this viewer stopped, which their own device remembers.
    """

    autoplay: bool = False
    muted: bool = False
    loop: bool = False
    preload: Literal["none", "metadata", "auto"] = "metadata"
    at_s: float = 0.0
    resume: bool = False


@dataclass(frozen=True, slots=True)
class PlayerConfig:
    """Everything the player knows.

    Attributes:
        status: `processing` shows a waiting card and polls `config_url`; `error` shows `message`.
        message: words for the viewer while processing or after an error; None = the player's own.
        progress: share done while processing, 0..1; None = unknown.
        config_url: where `config_document` of this asset is served with its ETag; None = never changes.
        generation: name of the track set behind `sources`; a new name makes the player offer a switch.
        complete: False while better tracks are being made, so that the player goes on asking.
        storyboard: WebVTT of sprite regions (`#xywh=`) for the seek bar.
        heatmap: how much each equal slice was watched, any scale ≥ 0; empty = not drawn.
        beacon_url: takes POSTed JSON batches of playback samples; None = no measuring.
        dev_tools: False keeps the page from opening the browser's tools by menu and keys.
        veiled: hand the configuration over veiled (`pages.veil`); for the server alone.
    """

    asset: AssetInfo
    sources: Sources = field(default_factory=Sources)
    status: Status = "ready"
    message: str | None = None
    progress: float | None = None
    config_url: str | None = None
    generation: str | None = None
    complete: bool = True
    poster: str | None = None
    storyboard: str | None = None
    heatmap: tuple[float, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    captions: tuple[Caption, ...] = ()
    tags: tuple[str, ...] = ()
    theme: Theme = field(default_factory=Theme)
    start: Start = field(default_factory=Start)
    beacon_url: str | None = None
    dev_tools: bool = True
    veiled: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the document for the browser: without the tenant's HTML, chapters in order of time."""
        document = asdict(self)
        del document["theme"]["head_html"], document["theme"]["footer_html"], document["veiled"]
        document["chapters"] = sorted(document["chapters"], key=lambda chapter: float(chapter["start_s"]))
        return document
