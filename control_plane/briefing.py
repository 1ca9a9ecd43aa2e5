"""What an agent is told about its call: seconds, never money, and no account."""

from billing.pricing import affordable_seconds
from billing.store.calls import Started
from control_plane.settings import CallSettings
from control_plane.store import call_configs
from control_plane.store.call_configs import Briefing
from shared.call_protocol import CALLER_IDENTITY, CallConfig
from shared.db import Tx


async def brief(tx: Tx, started: Started, settings: CallSettings) -> CallConfig:
    """The start answer of a call that was just given to an agent."""
    frozen = await call_configs.briefing_of(tx, started.id)
    assert frozen is not None, "written in the transaction that made the call"
    return CallConfig(
        call_id=started.id,
        epoch=started.epoch,
        seconds=started.seconds,
        granted_seconds=started.granted,
        final_unit=started.final_unit,
        free_limited=_is_free_limited(started, frozen),
        room_name=frozen.room_name,
        caller_identity=CALLER_IDENTITY,
        model=frozen.model,
        voice=frozen.voice,
        language=frozen.language,
        instructions=frozen.instructions,
        greeting=frozen.greeting,
        temperature=frozen.temperature,
        max_output_tokens=frozen.max_output_tokens,
        instructions_locked=frozen.instructions_locked,
        silence_limit_s=settings.call_silence_limit_s,
        join_limit_s=settings.call_join_limit_s,
        rejoin_limit_s=settings.call_rejoin_limit_s,
    )


def _is_free_limited(started: Started, frozen: Briefing) -> bool:
    """Whether the free allowance ends this call, before its credit or its longest time does."""
    if started.paid or started.free_seconds is None:
        return False
    reachable = started.granted + affordable_seconds(frozen.price, frozen.available)
    return started.free_seconds < min(reachable, started.max_seconds)
