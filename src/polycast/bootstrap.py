"""The only place that knows which implementation stands behind which interface: settings in, processes out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from polycast.net.outbound import OutboundClient
from polycast.protocols.signing import Keyring
from polycast.services.assets import PROCESS_JOB, Assets
from polycast.services.catalog import Collections, Domains, Players
from polycast.services.files import Files
from polycast.services.keys import ApiKey, ApiKeys
from polycast.services.outputs import Outputs
from polycast.services.pipeline.assemble import MP4_JOB, Assemble
from polycast.services.pipeline.chunks import CHUNK_JOB, Chunks
from polycast.services.pipeline.fallback import Mp4Fallback
from polycast.services.pipeline.pictures import Pictures
from polycast.services.pipeline.process import ASSEMBLE_JOB, PICTURES_JOB, Process
from polycast.services.pipeline.workspace import Workspace
from polycast.services.playback import Playback
from polycast.services.presentation import Presentation
from polycast.services.probing import Probing
from polycast.services.pulls import PULL_JOB, Pulls
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
from polycast.storage.factory import StoreOptions, open_store
from polycast.storage.interface import ObjectStore

log = logging.getLogger(__name__)

ENCODE_QUEUE, PACKAGE_QUEUE, UPKEEP_QUEUE = "encode", "package", "upkeep"
UPKEEP_JOB, VIEWS_JOB, SCRUB_JOB = "upkeep", "views", "scrub"


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything one process needs: its services, and what its worker loops run."""

    settings: Settings
    services: Services
    dispatcher: Dispatcher
    workspace: Workspace
    outbound: OutboundClient

    async def close(self) -> None:
        """Let go of connections."""
        await self.outbound.aclose()
        await self.services.db.dispose()

    async def run_worker(self, queues: list[str], concurrency: int, stop_event: asyncio.Event) -> None:
        """Work on queues until told to stop; a process that encodes also dispatches chunks."""
        options = WorkerOptions(
            heartbeat_s=self.settings.heartbeat_s,
            stalled_after_s=self.settings.stalled_after_s,
            grace_s=self.settings.stop_grace_s,
        )
        loops = [self.services.jobs.run_worker(queues, concurrency, stop_event, options)]
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
        limits=ToolLimits(memory_bytes=settings.child_memory_bytes),
    )
    outbound = OutboundClient(allow=settings.outbound_allow)
    tenants = Tenants(db, vault)
    files = Files(db)
    assets = Assets(db, jobs)
    outputs = Outputs(db, jobs, tenants)
    probing = Probing(db, store, media, files)
    uploads = Uploads(
        db,
        store,
        ring,
        tenants,
        assets,
        probing,
        expiry=timedelta(seconds=settings.upload_expiry_s),
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
        tus=Tus(store, uploads, files),
        pulls=Pulls(db, store, jobs, outbound, vault, tenants, assets, uploads),
        playback=playback,
        sources=SourceLinks(db, store, ring, files),
        views=Views(db, settings.spool_folder),
        upkeep=Upkeep(db, store, tenants, uploads, assets, outputs),
        public_url=settings.public_url,
        player_origin=settings.player_origin,
        accel_redirect=settings.accel_redirect,
        redirect_to_store=settings.s3_redirect,
    )
    workspace = Workspace(store, settings.work_folder)
    dispatcher = Dispatcher(jobs, CHUNK_JOB, slots=settings.encode_slots)
    _register_jobs(settings, services, media, workspace, dispatcher)
    return Platform(settings, services, dispatcher, workspace, outbound)


def _store(settings: Settings) -> ObjectStore:
    options = StoreOptions(
        endpoint=settings.s3_endpoint or None,
        region=settings.s3_region,
        access_key=settings.s3_access_key or None,
        secret_key=settings.s3_secret_key.get_secret_value() or None,
        spool=settings.spool_folder / "parts",
    )
    store = open_store(settings.store_url, options)
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
    process = Process(db, workspace, media, jobs, chunk_s=settings.chunk_s)
    chunks = Chunks(db, workspace, media, jobs, process, threads=settings.encode_threads)
    assemble = Assemble(db, workspace, jobs)
    pictures = Pictures(db, workspace, media)
    fallback = Mp4Fallback(db, workspace, media)
    retry = Retry(max_attempts=3, backoff=Backoff(first_s=1.0))

    async def run_process(args: Args) -> None:
        await process.run(args["output"])

    async def process_failed(args: Args, failure: Failure) -> None:
        await process.give_up(args["output"], _public(failure))

    async def run_chunk(args: Args) -> None:
        await chunks.run(args["chunk"])

    async def chunk_failed(args: Args, failure: Failure) -> None:
        await chunks.failed(args["chunk"], _public(failure))

    async def run_assemble(args: Args) -> None:
        await assemble.run(args["generation"])

    async def run_pictures(args: Args) -> None:
        await pictures.run(args["output"])

    async def run_fallback(args: Args) -> None:
        await fallback.run(args["generation"])

    async def run_pull(args: Args) -> None:
        await services.pulls.run(args["file"])

    async def pull_failed(args: Args, failure: Failure) -> None:
        await services.pulls.failed(args["file"], _public(failure))

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
        retry=Retry(max_attempts=8, backoff=Backoff(first_s=1.0)),
        priority=50,
        lock_template="generation:{generation}",
    )
    jobs.register(PICTURES_JOB, run_pictures, queue=PACKAGE_QUEUE, retry=retry, priority=0)
    jobs.register(MP4_JOB, run_fallback, queue=PACKAGE_QUEUE, retry=retry, priority=-5)
    jobs.register(PULL_JOB, run_pull, queue=UPKEEP_QUEUE, retry=Retry(max_attempts=4), on_failed=pull_failed)
    jobs.register(UPKEEP_JOB, run_upkeep, queue=UPKEEP_QUEUE, cron="* * * * *")
    jobs.register(SCRUB_JOB, run_scrubber, queue=UPKEEP_QUEUE, cron="*/5 * * * *", priority=-10)
    jobs.register(VIEWS_JOB, run_views, queue=UPKEEP_QUEUE, cron="* * * * *", priority=-1)


def _public(failure: Failure) -> str:
    """Words for the owner of a video; the log and the job's record have the details."""
    if failure.code == "lost":
        return "the processing was interrupted several times"
    if failure.code.startswith("media"):
        return failure.message.partition(": ")[2] or failure.message
    return "the processing failed; the operator's log says why"


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What the first start made; `key` only then, since it is shown once."""

    organization: OrganizationCaller
    tenant: Tenant
    key: ApiKey | None


async def first_start(services: Services) -> FirstStart:
    """The default organization, tenant and admin key; made when the installation is empty."""
    found = await services.tenants.default_organization()
    if found is not None:
        existing = await services.tenants.list(found)
        if existing:
            return FirstStart(found, existing[0], None)
    owner = found or await services.tenants.create_organization("Polycast")
    tenant = await services.tenants.create(owner, "Default", slug="default")
    key = await services.keys.create_for_organization(as_system(tenant.ref, "system:setup"), "Admin")
    return FirstStart(owner, tenant, key)


@asynccontextmanager
async def running(platform: Platform) -> AsyncIterator[Platform]:
    """A platform whose connections are closed at the end."""
    try:
        yield platform
    finally:
        await platform.close()
