"""Rows of a plan: the generation it is of, and the chunk jobs that it holds back for the dispatcher."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import chunk_jobs, generations
from polycast.domain.states import GenerationState
from polycast.media.chunks import Chunk
from polycast.services.pipeline.plan import GenerationPlan
from polycast.services.pipeline.records import GenerationRow, generations_of, new_generation
from polycast.services.pipeline.work import Work, take_work

# what somebody waits for goes first: sound is short work, the first rung opens the player
PRIORITY = {"audio": 100, "first": 90, "download": 20, "video": 10}


class Overtaken(Exception):
    """The output was deleted, settled, or is made anew: this run has nothing more to do."""


async def still(tx: AsyncConnection, work: Work) -> None:
    """Lock the asset. Raises Overtaken when this round is over."""
    if await take_work(tx, work.output_num, work.epoch) is None:
        raise Overtaken


async def find_plan(
    tx: AsyncConnection, work: Work, step: str, *, failed: bool = False
) -> tuple[GenerationRow, GenerationPlan] | None:
    """The generation of this round that an earlier run began; with `failed` also one that was given up."""
    for row in await generations_of(tx, work.output_num):
        if row.state is GenerationState.FAILED and not failed:
            continue
        known = await plan_of(tx, row)
        if (known.step, known.round) == (step, work.round):
            return row, known
    return None


async def add_generation(tx: AsyncConnection, work: Work, plan: GenerationPlan) -> GenerationRow:
    """A new generation of this plan, as `building`."""
    row = await new_generation(tx, work)
    await save_plan(tx, row, plan)
    return row


async def save_plan(tx: AsyncConnection, generation: GenerationRow, plan: GenerationPlan) -> None:
    """Write down, or replace, what a generation is to be."""
    await tx.execute(
        update(generations).where(generations.c.num == generation.num).values(plan=plan.to_json())
    )


async def plan_of(tx: AsyncConnection, generation: GenerationRow) -> GenerationPlan:
    """What a generation is to be; one without a plan is of no step and no round."""
    raw = (
        await tx.execute(select(generations.c.plan).where(generations.c.num == generation.num))
    ).scalar_one()
    return GenerationPlan.from_json(raw) if raw else GenerationPlan("none", "")


async def hold_audio(
    tx: AsyncConnection, work: Work, generation: GenerationRow, plan: GenerationPlan
) -> None:
    """Hold the chunk jobs of a plan's sound."""
    for position, audio in enumerate(plan.audio):
        # sound costs about as much as a small picture of a tenth of its length
        weight = max(0.5, audio.info.duration_s * 0.02)
        await hold(tx, work, generation, "audio", position, {"renditions": [audio.name]}, weight)


async def hold(
    tx: AsyncConnection,
    work: Work,
    generation: GenerationRow,
    kind: str,
    position: int,
    args: dict[str, object],
    weight: float,
    *,
    state: str = "held",
) -> None:
    """Hold one chunk job; one that is there already stays as it is.

    Args:
        args: JSON for its handler. weight: its share of the output's progress.
    """
    await tx.execute(
        upsert(chunk_jobs)
        .values(
            tenant_num=work.caller.tenant.num,
            asset_num=work.asset_num,
            output_num=work.output_num,
            generation_num=generation.num,
            kind=kind,
            position=position,
            args=args,
            priority=PRIORITY[kind],
            weight=weight,
            state=state,
        )
        .on_conflict_do_nothing()
    )


def weight_of(plan: GenerationPlan, chunk: Chunk) -> float:
    """Roughly CPU seconds: decoding the chunk plus encoding the pixels of all its renditions."""
    megapixels = sum(r.pixels for r in plan.renditions) / 1e6
    return max(0.1, chunk.duration_s * (0.3 + megapixels))
