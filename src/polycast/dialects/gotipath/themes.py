"""Player themes between the vendor's words and those of delivery/pages/config, in which they are stored."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from polycast.delivery.pages.config import CaptionStyle, Controls, MenuSettings, Theme
from polycast.dialects.gotipath.schemas_players import Player, UpdatePlayer
from polycast.domain.access import Caller
from polycast.services.players import Player as DomainPlayer

# wire -> stored
_CONTROLS = {
    "big_play_button": "big_play",
    "play_pause_button": "play_pause",
    "mute_button": "mute",
    "volume_slider": "volume",
    "caption_button": "captions",
    "settings_button": "settings",
    "picture_in_picture_button": "picture_in_picture",
    "current_duration": "current_time",
    "remaining_duration": "remaining_time",
    "total_duration": "total_time",
    "progress_slider": "progress",
    "double_tap_forward_rewind": "double_tap",
    "airplay_button": "airplay",
    "fullscreen_button": "fullscreen",
}
_HTML = {"head": "head_html", "footer": "footer_html"}
_CAPTION = {f.name: f.name for f in fields(CaptionStyle)}
_MENU = {f.name: f.name for f in fields(MenuSettings)}
_PLAIN = ("primary_color", "language", "font_family", "font_size")


def changed(stored: Mapping[str, Any], body: UpdatePlayer) -> dict[str, Any]:
    """The stored theme with what a caller sent; "" and 0 bring back the player's own look."""
    theme = dict(stored)
    theme |= {name: value or None for name in _PLAIN if (value := getattr(body, name)) is not None}
    theme |= _renamed(body.custom_html, _HTML)
    caption = {name: value or None for name, value in _renamed(body.caption, _CAPTION).items()}
    for group, values in (
        ("caption", caption),
        ("controls", _renamed(body.controls, _CONTROLS)),
        ("settings", _renamed(body.settings, _MENU)),
    ):
        if values:
            theme[group] = {**_group(theme, group), **values}
    return theme


def player_result(caller: Caller, player: DomainPlayer) -> Player:
    """Player with every member, those not stored as the player has them by itself."""
    theme = asdict(Theme()) | {k: v for k, v in player.theme.items() if not isinstance(v, Mapping)}
    controls = asdict(Controls()) | _group(player.theme, "controls")
    menu = asdict(MenuSettings()) | _group(player.theme, "settings")
    caption = asdict(CaptionStyle()) | _group(player.theme, "caption")
    return Player.model_validate(
        {
            "id": str(player.uid),
            "customer_id": str(caller.tenant.organization_uid),
            "library_id": str(caller.tenant.uid),
            "name": player.name,
            "primary_color": theme["primary_color"] or "",
            "custom_html": {wire: theme[name] or "" for wire, name in _HTML.items()},
            "language": theme["language"] or "",
            "font_family": theme["font_family"] or "",
            "font_size": theme["font_size"] or 0,
            "caption": {
                "font_size": caption["font_size"] or 0,
                "font_color": caption["font_color"] or "",
                "background_color": caption["background_color"] or "",
            },
            "controls": {wire: controls[name] for wire, name in _CONTROLS.items()},
            "settings": {wire: menu[name] for wire, name in _MENU.items()},
            "is_default": player.is_default,
        }
    )


def _renamed(group: Any, names: Mapping[str, str]) -> dict[str, Any]:
    if group is None:
        return {}
    return {stored: value for wire, stored in names.items() if (value := getattr(group, wire)) is not None}


def _group(theme: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = theme.get(name)
    return dict(value) if isinstance(value, Mapping) else {}
