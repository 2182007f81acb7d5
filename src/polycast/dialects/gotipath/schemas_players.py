"""Player themes on the wire."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from polycast.dialects.gotipath.wire import Body, example

_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})")
_FONT = re.compile(r"[\w '\",-]{0,200}")
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4})?")


def _colour(text: str) -> str:
    if text and not _COLOUR.fullmatch(text):
        raise ValueError("a colour is written as #RRGGBB")
    return text


def _font(text: str) -> str:
    if not _FONT.fullmatch(text):
        raise ValueError("a font family has letters, digits, blanks, commas and quotes")
    return text


def _html(text: str) -> str:
    if "\0" in text:
        raise ValueError("HTML has no NUL characters")
    return text


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("a language is a BCP 47 tag such as en or pt-BR")
    return text


Colour = Annotated[str, AfterValidator(_colour)]
"""#RGB, #RGBA, #RRGGBB or #RRGGBBAA; "" = the player's own"""
Html = Annotated[str, StringConstraints(max_length=65_536), AfterValidator(_html)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ThemeHtml(Body):
    """HTML of the tenant's own, put into head and body of its player pages."""

    head: Html | None = None
    footer: Html | None = None


class ThemeCaption(Body):
    """Look of captions; size in pixels, 0 = the player's own."""

    font_size: Annotated[int, Field(ge=0, le=72)] | None = None
    font_color: Colour | None = None
    background_color: Colour | None = None


class ThemeControls(Body):
    """What the player shows."""

    big_play_button: bool | None = None
    play_pause_button: bool | None = None
    mute_button: bool | None = None
    volume_slider: bool | None = None
    caption_button: bool | None = None
    settings_button: bool | None = None
    picture_in_picture_button: bool | None = None
    current_duration: bool | None = None
    remaining_duration: bool | None = None
    total_duration: bool | None = None
    progress_slider: bool | None = None
    double_tap_forward_rewind: bool | None = None
    airplay_button: bool | None = None
    fullscreen_button: bool | None = None


class ThemeSettings(Body):
    """Entries of the settings menu."""

    captions: bool | None = None
    quality: bool | None = None
    speed: bool | None = None
    loop: bool | None = None


class UpdatePlayer(Body):
    """update_player; what is absent or null keeps its value, also inside the groups."""

    model_config = Body.model_config | {"json_schema_extra": example(name="Darker", primary_color="#112233")}

    name: Name | None = None
    primary_color: Colour | None = None
    language: Annotated[str, AfterValidator(_language)] | None = None
    font_family: Annotated[str, AfterValidator(_font)] | None = None
    font_size: Annotated[int, Field(ge=0, le=72, description="pixels, 0 = the player's own")] | None = None
    custom_html: ThemeHtml | None = None
    caption: ThemeCaption | None = None
    controls: ThemeControls | None = None
    settings: ThemeSettings | None = None


class CreatePlayer(UpdatePlayer):
    """create_player; what is absent is as the player has it by itself."""

    model_config = Body.model_config | {
        "json_schema_extra": example(
            name="Dark",
            primary_color="#112233",
            language="en",
            font_size=16,
            settings={"captions": True, "quality": True, "speed": True, "loop": False},
        )
    }

    name: Name
    library_id: str | None = None


class PlayerHtml(Body):
    """Both always there."""

    head: str
    footer: str


class PlayerCaption(Body):
    """ "" and 0 = the player's own."""

    font_size: int
    font_color: str
    background_color: str


class PlayerControls(Body):
    """All of them."""

    big_play_button: bool
    play_pause_button: bool
    mute_button: bool
    volume_slider: bool
    caption_button: bool
    settings_button: bool
    picture_in_picture_button: bool
    current_duration: bool
    remaining_duration: bool
    total_duration: bool
    progress_slider: bool
    watchtime_heatmap: None = None
    double_tap_forward_rewind: bool
    airplay_button: bool
    fullscreen_button: bool


class PlayerSettings(Body):
    """All of them."""

    captions: bool
    quality: bool
    speed: bool
    loop: bool


class Player(Body):
    """A theme with every member; "" and 0 = the player's own."""

    id: str
    customer_id: str
    library_id: str
    name: str
    primary_color: str
    custom_html: PlayerHtml
    language: str
    font_family: str
    font_size: int
    caption: PlayerCaption
    controls: PlayerControls
    settings: PlayerSettings
    is_default: bool
