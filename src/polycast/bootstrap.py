"""The only place that knows which implementation stands behind which interface: settings in, processes out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import imageio_ffmpeg

from polycast.db.engine import Database
from polycast.domain.access import OrganizationCaller
from polycast.domain.ids import CodeCipher
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.options import WorkerOptions
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args, Failure
from polycast.jobs.retry import Backoff, Retry
from polycast.media.toolkit import MediaToolkit
from polycast.media.toolkit_runner import ToolLimits
from polycast.media_store import open_media_store
from polycast.net.outbound import OutboundClient
from polycast.protocols.signing import Keyring
from polycast.services.assets import Assets
from polycast.services.collections import Collections
from polycast.services.domains import Domains
from polycast.services.egress import Egress
from polycast.services.files import Files
from polycast.services.keys import ApiKey, ApiKeys
from polycast.services.making import ASSEMBLE_JOB, ASSEMBLY_LOCK, PROCESS_JOB
from polycast.services.outputs import Outputs
from polycast.services.pipeline.assemble import IFRAMES_JOB, MP4_JOB, Assemble
from polycast.services.pipeline.chunks import CHUNK_JOB, Chunks
from polycast.services.pipeline.fallback import Mp4Fallback
from polycast.services.pipeline.pictures import Pictures
from polycast.services.pipeline.process import PICTURES_JOB, Process
from polycast.services.pipeline.trick_play import TrickPlay
from polycast.services.pipeline.workspace import Workspace
from polycast.services.playback import Playback
from polycast.services.players import Players
from polycast.services.presentation import Presentation
from polycast.services.probing import Probing
from polycast.services.pulls import PULL_JOB, Pulls
from polycast.services.quotas import Quotas
from polycast.services.registry import Services
from polycast.services.scrubber import Scrubber
from polycast.services.sources import SourceLinks
from polycast.services.tenants import Tenant, Tenants, as_system
from polycast.services.tus import Tus
from polycast.services.upkeep import Upkeep
from polycast.services.uploads import Uploads
from polycast.services.vault import Vault
from polycast.services.views import Views
from polycast.settings import Settings
from polycast.storage.cache import CachedStore
from polycast.storage.interface import ObjectStore

log = logging.getLogger(__name__)

ENCODE_QUEUE, PACKAGE_QUEUE, PICTURES_QUEUE = "encode", "package", "pictures"
PULL_QUEUE, UPKEEP_QUEUE = "pull", "upkeep"
UPKEEP_JOB, VIEWS_JOB, SCRUB_JOB = "upkeep", "views", "scrub"


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything one process needs: its services, and what its worker loops run."""

    settings: Settings
    services: Services
    dispatcher: Dispatcher
    workspace: Workspace
    outbound: OutboundClient
    media: MediaToolkit

    async def warm_up(self) -> None:
        """Make the first children start as fast as all later ones; beside the first work, never before it."""
        await self.media.warm_up()

    async def close(self) -> None:
        """Let go of connections."""
        await self.outbound.aclose()
        await self.services.db.dispose()

    async def run_worker(self, queues: list[str], concurrency: int, stop_event: asyncio.Event) -> None:
        """Work on queues until told to stop; a process that encodes also dispatches chunks."""
        from polycast.jobs import worker  # the queue's library: only workers pay for loading it

        options = WorkerOptions(
            heartbeat_s=self.settings.heartbeat_s,
            stalled_after_s=self.settings.stalled_after_s,
            grace_s=self.settings.stop_grace_s,
            # how long one takes, the server of somebody else decides
            leave_room=PULL_QUEUE in queues,
        )
        loops = [worker.run(self.services.jobs, queues, concurrency, stop_event, options)]
        if ENCODE_QUEUE in queues:
            loops.append(self.dispatcher.run(stop_event))
        await asyncio.gather(*loops)


def build_platform(settings: Settings, database_url: str) -> Platform:
    """Wire one process. Opens no connection yet.

    Args:
        database_url: of a database at this release's schema.

    Raises:
        Invalid: a setting names something that does not exist.
    """
    settings.work_folder.mkdir(parents=True, exist_ok=True)
    vault = Vault(settings.secret.encode())
    ring = Keyring("1", {"1": vault.derive("urls")})
    db = Database(database_url)
    store = _store(settings)
    jobs = JobQueue(database_url, db.transaction)
    media = MediaToolkit(
        ffmpeg=settings.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe(),
        work_root=settings.work_folder,
        sandbox=settings.sandbox != "off",
        unconfined_too=settings.sandbox == "prefer",
        limits=ToolLimits(memory_bytes=settings.child_memory_bytes),
    )
    outbound = OutboundClient(allow=settings.outbound_allow)
    tenants = Tenants(db, vault)
    files = Files(db)
    assets = Assets(db, jobs)
    outputs = Outputs(db, jobs, tenants)
    probing = Probing(db, store, media, files)
    quotas = Quotas(db, default_bytes=settings.quota_bytes)
    uploads = Uploads(
        db,
        store,
        ring,
        tenants,
        quotas,
        assets,
        probing,
        expiry=timedelta(seconds=settings.upload_expiry_s),
        max_bytes=settings.upload_max_bytes,
    )
    playback = Playback(
        db, store, CodeCipher(vault.derive("codes")), ring, vault, session_s=settings.session_s
    )
    services = Services(
        db=db,
        jobs=jobs,
        store=store,
        vault=vault,
        ring=ring,
        tenants=tenants,
        keys=ApiKeys(db, vault),
        files=files,
        uploads=uploads,
        probing=probing,
        assets=assets,
        outputs=outputs,
        presentation=Presentation(db, assets),
        collections=Collections(db),
        players=Players(db),
        domains=Domains(db),
        tus=Tus(store, uploads, files, settings.parts_folder),
        pulls=Pulls(db, store, jobs, outbound, vault, tenants, assets, uploads, quotas),
        playback=playback,
        sources=SourceLinks(db, store, ring, files),
        views=Views(db, settings.spool_folder),
        egress=Egress(db),
        upkeep=Upkeep(
            db, store, tenants, uploads, assets, outputs, jobs, retention_days=settings.retention_days
        ),
        public_url=settings.public_url,
        player_origin=settings.player_origin,
        accel_redirect=settings.accel_redirect,
        redirect_to_store=settings.s3_redirect,
    )
    workspace = Workspace(store, settings.work_folder)
    dispatcher = Dispatcher(jobs, CHUNK_JOB, slots=settings.encode_slots)
    _register_jobs(settings, services, media, workspace, dispatcher)
    return Platform(settings, services, dispatcher, workspace, outbound, media)


def _store(settings: Settings) -> ObjectStore:
    store = open_media_store(settings)
    if store.local_path("probe") is not None or not settings.cache_bytes:
        return store
    return CachedStore(store, settings.data / "cache", settings.cache_bytes)


def _register_jobs(
    settings: Settings,
    services: Services,
    media: MediaToolkit,
    workspace: Workspace,
    dispatcher: Dispatcher,
) -> None:
    """Tell the queue what each kind of job does, how often it is tried, and what follows when it fails."""
    db, jobs = services.db, services.jobs
    process = Process(db, workspace, media, jobs, chunk_s=settings.chunk_s, segment_s=settings.segment_s)
    chunks = Chunks(db, workspace, media, jobs, threads=settings.encode_threads)
    assemble = Assemble(db, workspace, jobs)
    # nobody waits for these as for the first picture that moves
    patient = replace(media, nice=10)
    pictures = Pictures(db, workspace, patient)
    fallback = Mp4Fallback(db, workspace, patient)
    trick_play = TrickPlay(db, workspace)
    retry = Retry(max_attempts=3, backoff=Backoff(first_s=1.0), max_lost=8)

    async def run_process(args: Args) -> None:
        await process.run(args["output"], args.get("epoch"))

    async def process_failed(args: Args, failure: Failure) -> None:
        await process.give_up(args["output"], public_reason(failure), args.get("epoch"))

    async def run_chunk(args: Args) -> None:
        await chunks.run(args["chunk"])

    async def chunk_failed(args: Args, failure: Failure) -> None:
        await chunks.failed(args["chunk"], public_reason(failure))

    async def run_assemble(args: Args) -> None:
        await assemble.run(args["generation"])

    async def assemble_failed(args: Args, failure: Failure) -> None:
        await assemble.failed(args["generation"], public_reason(failure))

    async def run_pictures(args: Args) -> None:
        await pictures.run(args["output"])

    async def run_fallback(args: Args) -> None:
        await fallback.run(args["output"])

    async def run_iframes(args: Args) -> None:
        await trick_play.run(args["output"])

    async def run_pull(args: Args) -> None:
        await services.pulls.run(args["file"])

    async def pull_failed(args: Args, failure: Failure) -> None:
        await services.pulls.failed(args["file"], public_reason(failure))

    async def run_upkeep(args: Args) -> None:
        await services.upkeep.run()

    scrubber = Scrubber(db, services.store, jobs, services.tenants)

    async def run_scrubber(args: Args) -> None:
        await scrubber.run()

    async def run_views(args: Args) -> None:
        await services.views.fold()

    jobs.register(
        PROCESS_JOB, run_process, queue=PACKAGE_QUEUE, retry=retry, priority=40, on_failed=process_failed
    )
    dispatcher.register(run_chunk, queue=ENCODE_QUEUE, retry=retry, on_failed=chunk_failed)
    jobs.register(
        ASSEMBLE_JOB,
        run_assemble,
        queue=PACKAGE_QUEUE,
        retry=Retry(max_attempts=5, backoff=Backoff(first_s=1.0), max_lost=8),
        priority=50,
        lock_template=ASSEMBLY_LOCK,
        on_failed=assemble_failed,
    )
    # a queue of their own: however many wait, they never take a place from what makes a video play
    jobs.register(PICTURES_JOB, run_pictures, queue=PICTURES_QUEUE, retry=retry)
    jobs.register(IFRAMES_JOB, run_iframes, queue=PICTURES_QUEUE, retry=retry, priority=-1)
    jobs.register(MP4_JOB, run_fallback, queue=PICTURES_QUEUE, retry=retry, priority=-1)
    # never beside upkeep: nothing would be cleared or counted while slow servers hold its places
    jobs.register(PULL_JOB, run_pull, queue=PULL_QUEUE, retry=Retry(max_attempts=4), on_failed=pull_failed)
    jobs.register(UPKEEP_JOB, run_upkeep, queue=UPKEEP_QUEUE, cron="* * * * *")
    jobs.register(SCRUB_JOB, run_scrubber, queue=UPKEEP_QUEUE, cron="*/5 * * * *", priority=-10)
    jobs.register(VIEWS_JOB, run_views, queue=UPKEEP_QUEUE, cron="* * * * *", priority=-1)


def public_reason(failure: Failure) -> str:
    """Words for the owner of a video; the log and the job's record have the details."""
    if failure.code.startswith("media") or failure.code in _FOR_OWNERS:
        return failure.message.partition(": ")[2].partition("\n")[0] or failure.message
    return _REASONS.get(failure.code, "the processing failed; the operator's log says why")


_FOR_OWNERS = frozenset({"upstream_failed", "invalid", "too_large", "quota_exceeded", "conflict"})
"""codes whose messages are written for the caller"""
_REASONS = {
    "lost": "the processing was interrupted several times",
    "child_failed": "a program that works on the file crashed or took too long, several times",
    "not_found": "the source file was deleted while it was being processed",
    "storage_full": "there was no room left to store the result",
    "unavailable": "a part of the installation could not be reached for a long time",
    "integrity": "the encoded parts do not fit together",
}


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What the first start made; `key` only then, since it is shown once."""

    organization: OrganizationCaller
    tenant: Tenant
    key: ApiKey | None


async def first_start(services: Services) -> FirstStart:
    """The default organization, tenant and admin key, each made where it is missing.

    A start that was killed between two of these is finished by the next one, so that there is always a key.
    """
    owner = await services.tenants.default_organization()
    if owner is None:
        owner = await services.tenants.create_organization("Polycast")
    existing = await services.tenants.list(owner)
    tenant = existing[0] if existing else await services.tenants.create(owner, "Default")
    key = None
    if not await services.keys.has_owner_key(owner):
        key = await services.keys.create_for_organization(as_system(tenant.ref, "system:setup"), "Admin")
    return FirstStart(owner, tenant, key)


@asynccontextmanager
async def running(platform: Platform) -> AsyncIterator[Platform]:
    """A platform whose connections are closed at the end."""
    try:
        yield platform
    finally:
        await platform.close()
