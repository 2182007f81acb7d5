"""Pages: the HTML shells of `/play` and `/embed`, from a typed configuration, and of the documentation of APIs.

Pure functions from values to bytes and headers; the delivery routes call them. The player itself is
built from `web/` into `dist_dir()`, which the caller serves below the `assets_url` it passes in.
"""

from polycast.delivery.pages.api_docs import render_api_docs
from polycast.delivery.pages.assets import BuildMissing, dist_dir
from polycast.delivery.pages.config import (
    AssetInfo,
    Caption,
    CaptionStyle,
    Chapter,
    Controls,
    MenuSettings,
    PlayerConfig,
    Sources,
    Start,
    Theme,
)
from polycast.delivery.pages.meta import PageMeta
from polycast.delivery.pages.policy import PagePolicy
from polycast.delivery.pages.shells import Page, render_embed, render_message, render_play
from polycast.delivery.pages.veil import config_document

__all__ = [
    "AssetInfo",
    "BuildMissing",
    "Caption",
    "CaptionStyle",
    "Chapter",
    "Controls",
    "MenuSettings",
    "Page",
    "PageMeta",
    "PagePolicy",
    "PlayerConfig",
    "Sources",
    "Start",
    "Theme",
    "config_document",
    "dist_dir",
    "render_api_docs",
    "render_embed",
    "render_message",
    "render_play",
]
