"""SQL of what is frozen into a call and what its agent is told."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

INSERT = """
insert into call_configs(call_id, room_name, plan, model, voice_id, voice, language, instructions,
  greeting, temperature, max_output_tokens, instructions_locked, free_call, character_id,
  character_name, prompt_version, scene_id, scene_modified, disclosure, referral, minors_mode)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
  $21)
"""

BRIEFING = """
select c.room_name, c.channel, c.model, c.voice, c.language, c.instructions, c.greeting,
  c.temperature,
  c.max_output_tokens, c.instructions_locked, c.character_name, c.disclosure, c.referral,
  c.minors_mode,
  s.price_microcredits_per_minute as price,
  greatest(credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends), 0) as available,
  credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends) < k.balance - k.reserved
    as is_capped
from call_configs c
join call_sessions s on s.id = c.call_id
join credits k on k.user_id = s.user_id
where c.call_id = $1
"""


@dataclass(frozen=True, slots=True)
class FrozenCall:
    """Fixed when the call is authorized; a change of prices or prompts does not reach it."""

    call_id: UUID
    room_name: str
    plan: str
    model: str
    voice_id: UUID
    voice: str
    language: str
    instructions: str
    greeting: str
    temperature: float
    max_output_tokens: int | None
    instructions_locked: bool
    free_call: bool
    character_id: UUID | None
    character_name: str | None
    prompt_version: int | None
    scene_id: str | None
    scene_modified: bool
    disclosure: str
    referral: str
    minors_mode: bool = False


@dataclass(frozen=True, slots=True)
class Briefing:
    """Price and available credit (micro-credits) stay here; the agent is told seconds only."""

    room_name: str
    channel: str
    model: str
    voice: str
    language: str
    instructions: str
    greeting: str
    temperature: float | None
    max_output_tokens: int | None
    instructions_locked: bool
    character_name: str | None
    disclosure: str | None
    referral: str | None
    minors_mode: bool
    price: int
    available: int
    is_capped: bool  # the month's cap leaves less than the balance does


async def insert(tx: Tx, call: FrozenCall) -> None:
    await tx.execute(
        INSERT,
        call.call_id,
        call.room_name,
        call.plan,
        call.model,
        call.voice_id,
        call.voice,
        call.language,
        call.instructions,
        call.greeting,
        call.temperature,
        call.max_output_tokens,
        call.instructions_locked,
        call.free_call,
        call.character_id,
        call.character_name,
        call.prompt_version,
        call.scene_id,
        call.scene_modified,
        call.disclosure,
        call.referral,
        call.minors_mode,
    )


async def briefing_of(tx: Tx, call_id: UUID) -> Briefing | None:
    row = await tx.fetchrow(BRIEFING, call_id)
    return Briefing(**row) if row else None
