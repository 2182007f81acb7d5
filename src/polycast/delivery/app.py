"""The delivery application: media, pages, uploads, the files of the built player."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from polycast.delivery import pages
from polycast.delivery.manifests import Manifests
from polycast.delivery.media import Media
from polycast.delivery.objects import Objects
from polycast.delivery.viewer import PLAYER_FILES, Viewer
from polycast.services.registry import Services


def media_app(services: Services) -> Media:
    """The hot path, to be asked before any other routing."""
    own = tuple(o for o in (services.public_url, services.player_origin) if o)
    return Media(services.playback, Objects(services.store), Manifests(services.playback), services.ring, own)


def routes(services: Services, media: Media) -> Sequence[BaseRoute]:
    """Everything of delivery but media itself."""
    viewer = Viewer(services, media, Objects(services.store))
    # the build may come after the start: check_dir=False answers 404 until then
    files = StaticFiles(directory=pages.dist_dir(), check_dir=False)
    return [*viewer.routes(), Mount(PLAYER_FILES, files)]
