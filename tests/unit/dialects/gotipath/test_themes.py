"""Player themes: every word of the vendor has its counterpart, and both ways agree."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from polycast.delivery.look import theme
from polycast.delivery.pages.config import Controls
from polycast.dialects.gotipath.schemas_players import PlayerControls, ThemeControls, UpdatePlayer
from polycast.dialects.gotipath.themes import changed, player_result
from polycast.domain.access import Caller, Role, TenantRef
from polycast.services.players import Player

UID = uuid4()
CALLER = Caller(TenantRef(1, uuid4(), 1, uuid4(), "t"), Role.ADMIN, "key:x")


def answered(stored: dict[str, Any]) -> dict[str, Any]:
    player = Player(UID, "x", stored, False, datetime.now(UTC))
    return player_result(CALLER, player).model_dump()


def test_every_control_can_be_switched_both_ways() -> None:
    names = list(ThemeControls.model_fields)
    assert set(PlayerControls.model_fields) == {*names, "watchtime_heatmap"}
    assert len(names) == len(fields(Controls)) - 1  # the heat map is shown, not switched
    seen = set()
    for name in names:
        for value in (True, False):
            stored = changed({}, UpdatePlayer.model_validate({"controls": {name: value}}))
            assert len(stored["controls"]) == 1
            assert answered(stored)["controls"][name] is value
            (known,) = stored["controls"].items()
            assert getattr(theme(stored).controls, known[0]) is known[1]
            seen.add(known[0])
    assert len(seen) == len(names)


def test_what_is_not_stored_is_as_the_player_has_it() -> None:
    assert answered({}) == answered(changed({}, UpdatePlayer()))
    odd: dict[str, Any] = {"controls": "x", "caption": None, "settings": []}  # written by hand
    assert answered({}) == answered(odd)


def test_groups_are_merged_member_by_member() -> None:
    first = changed(
        {}, UpdatePlayer.model_validate({"settings": {"loop": False}, "custom_html": {"head": "a"}})
    )
    second = changed(first, UpdatePlayer.model_validate({"settings": {"speed": False}, "font_size": 0}))
    assert second == {"settings": {"loop": False, "speed": False}, "head_html": "a", "font_size": None}
