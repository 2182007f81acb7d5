"""The delivery application: media, pages, uploads, the files of the built player."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Mount

from polycast.delivery import pages
from polycast.delivery.admission import Admission
from polycast.delivery.beacons import Beacons
from polycast.delivery.manifests import Manifests
from polycast.delivery.media import Media
from polycast.delivery.objects import Objects
from polycast.delivery.oembed import OEmbed
from polycast.delivery.origin import Origins
from polycast.delivery.part_uploads import PartUploads
from polycast.delivery.player_files import PlayerFiles
from polycast.delivery.presigned import Presigned
from polycast.delivery.source_files import SourceFiles
from polycast.delivery.viewer import PLAYER_FILES, Viewer
from polycast.services.registry import Services


@dataclass(frozen=True, slots=True)
class Delivery:
    """`media` is the hot path, to be asked before any other routing; `routes` is everything else."""

    media: Media
    routes: Sequence[BaseRoute]


def delivery(services: Services) -> Delivery:
    """All of delivery, wired."""
    origins = Origins(services.public_url, services.player_origin)
    admission = Admission(services.playback, services.ring, origins.own)
    presigned = Presigned(services.store) if services.redirect_to_store else None
    objects = Objects(services.store, accel=services.accel_redirect, presigned=presigned)
    media = Media(services.playback, objects, Manifests(services.playback), admission, services.egress)
    return Delivery(
        media,
        [
            *Viewer(services.playback, admission, origins).routes(),
            *OEmbed(services.playback, origins).routes(),
            *Beacons(services.playback, services.views, admission).routes(),
            *PartUploads(services.uploads).routes(),
            *SourceFiles(services.sources, objects, services.egress).routes(),
            Mount(PLAYER_FILES, PlayerFiles(pages.dist_dir())),
        ],
    )
