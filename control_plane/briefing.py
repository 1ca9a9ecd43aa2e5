"""What an agent is told about its call: seconds, never money, and no account."""

from billing.pricing import affordable_seconds
from billing.store.calls import Started
from control_plane.call_tools import tools_of_call
from control_plane.memories.recollection import memories_of_call
from control_plane.recordings.consents import wish_for
from control_plane.safety.ages import MINORS_RULE
from control_plane.settings import WebSettings
from control_plane.store import call_configs
from control_plane.store.call_configs import Briefing
from shared.call_protocol import CALLER_IDENTITY, CallConfig
from shared.db import Tx


async def brief(tx: Tx, started: Started, settings: WebSettings) -> CallConfig:
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
        channel="phone" if frozen.channel == "phone" else "web",
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
        character_name=frozen.character_name,
        # Whoever takes over a call that is paid already goes on where it was.
        disclosure=None if started.seconds else frozen.disclosure,
        referral=frozen.referral,
        break_reminder_s=_break_reminder_s(frozen, settings),
        rules=MINORS_RULE if frozen.minors_mode else "",
        memories=await memories_of_call(tx, started.id, settings),
        tools=await tools_of_call(tx, started.id, settings),
        links=settings.links,
        cap_limited=_is_cap_limited(started, frozen),
        # It is asked for in the same breath as it is said what is speaking. Minors cannot consent.
        recording=await wish_for(tx, started, settings)
        if frozen.disclosure and not frozen.minors_mode
        else "off",
    )


def _break_reminder_s(frozen: Briefing, settings: WebSettings) -> int | None:
    usual_s, minors_s = settings.call_break_reminder_s, settings.safety_minors_break_reminder_s
    return min(usual_s or minors_s, minors_s) if frozen.minors_mode else usual_s


def _is_free_limited(started: Started, frozen: Briefing) -> bool:
    """Whether the free allowance ends this call, before its credit or its longest time does."""
    if started.paid or started.free_seconds is None:
        return False
    reachable = started.granted + affordable_seconds(frozen.price, frozen.available)
    return started.free_seconds < min(reachable, started.max_seconds)


def _is_cap_limited(started: Started, frozen: Briefing) -> bool:
    """Whether the caller's own cap for the month ends this call, before anything else does."""
    reachable = started.granted + affordable_seconds(frozen.price, frozen.available)
    return frozen.is_capped and reachable < started.max_seconds
