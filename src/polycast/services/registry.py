"""All services of one process, wired; what bootstrap makes and everything above takes."""

from dataclasses import dataclass

from polycast.db.engine import Database
from polycast.jobs.queue import JobQueue
from polycast.protocols.signing import Keyring
from polycast.services.assets import Assets
from polycast.services.collections import Collections
from polycast.services.domains import Domains
from polycast.services.egress import Egress
from polycast.services.files import Files
from polycast.services.keys import ApiKeys
from polycast.services.outputs import Outputs
from polycast.services.playback import Playback
from polycast.services.players import Players
from polycast.services.presentation import Presentation
from polycast.services.probing import Probing
from polycast.services.pulls import Pulls
from polycast.services.sources import SourceLinks
from polycast.services.tenants import Tenants
from polycast.services.tus import Tus
from polycast.services.upkeep import Upkeep
from polycast.services.uploads import Uploads
from polycast.services.vault import Vault
from polycast.services.views import Views
from polycast.storage.interface import ObjectStore


@dataclass(frozen=True, slots=True)
class Services:
    """Use cases by noun, and the few plain values that translators need.

    Attributes:
        public_url: origin of absolute addresses; "" = as the request came.
        player_origin: origin of player pages; "" = public_url.
        accel_redirect: internal location of an nginx in front that serves the object folder; "" = none.
        redirect_to_store: send viewers to presigned addresses of the remote store for segments.
    """

    db: Database
    jobs: JobQueue
    store: ObjectStore
    vault: Vault
    ring: Keyring
    tenants: Tenants
    keys: ApiKeys
    files: Files
    uploads: Uploads
    probing: Probing
    assets: Assets
    outputs: Outputs
    presentation: Presentation
    collections: Collections
    players: Players
    domains: Domains
    tus: Tus
    pulls: Pulls
    playback: Playback
    sources: SourceLinks
    views: Views
    egress: Egress
    upkeep: Upkeep
    public_url: str = ""
    player_origin: str = ""
    accel_redirect: str = ""
    redirect_to_store: bool = False
