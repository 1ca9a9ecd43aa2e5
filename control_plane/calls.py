"""
Starting a call: check, hold credit, freeze what the call is made of, then make its room.

The transaction ends before the media server is asked. When that fails the call is closed again and
its hold returns; when we die in between, the reaper does it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing import charging
from billing.charging import Authorization
from billing.errors import AccountFrozen
from billing.features import Features, features_of
from billing.store.calls import open_calls_of
from control_plane.call_request import CallRequest, model_for
from control_plane.characters import texts
from control_plane.characters.casting import Cast, cast_call
from control_plane.errors import CallInProgress, VoiceNotFound
from control_plane.greetings import greeting_in
from control_plane.http_errors import parse_json
from control_plane.livekit_gateway import TOKEN_TTL_S, LiveKitGateway
from control_plane.memories.choosing import freeze_memory
from control_plane.safety import ages
from control_plane.services import Services
from control_plane.settings import WebSettings
from control_plane.store import accounts, call_configs, voices
from control_plane.store.call_configs import FrozenCall
from control_plane.store.voices import Voice
from control_plane.workers import admit
from shared import metrics
from shared.call_protocol import Notice
from shared.db import Tx, transaction
from shared.end_reasons import EndReason
from shared.errors import ActiveCall, Unavailable
from shared.ids import CallId, UserId, new_call_id, room_name_of
from shared.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that can be joined until `expires_at`."""

    call_id: CallId
    token: str
    expires_at: datetime
    price_microcredits_per_minute: int
    max_seconds: int
    disclosure: str  # that this is an AI, in the call's language


async def place_call(services: Services, user_id: UserId, body: bytes) -> PlacedCall:
    """
    The whole of POST /api/call-token behind the session check.

    Raises, in upstream's order: InsufficientCredits, FreeLimitReached, Invalid, VoiceNotFound,
    CharacterNotFound, PaidOnly; then AgeNeeded, AdultsOnly, CallInProgress, NoCapacity and
    Unavailable. Nothing is left behind by any of them.
    """
    call_id = new_call_id()
    async with transaction(services.pool) as tx:
        authorized = await _authorize(
            tx, call_id=call_id, user_id=user_id, body=body, settings=services.settings
        )
    held = authorized.authorization
    end_superseded(services, held.superseded)
    await _make_room(services, call_id)
    return PlacedCall(
        call_id=call_id,
        token=services.livekit.caller_token(room_name_of(call_id)),
        expires_at=services.clock.now() + timedelta(seconds=TOKEN_TTL_S),
        price_microcredits_per_minute=held.price_microcredits_per_minute,
        max_seconds=held.max_seconds,
        disclosure=authorized.disclosure,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    authorization: Authorization
    disclosure: str


async def authorize_call(
    tx: Tx, *, call_id: CallId, user_id: UserId, body: bytes, settings: WebSettings, channel: str
) -> Authorization:
    """The rows of a call that came in by another door than the page; raises as `place_call`."""
    authorized = await _authorize(
        tx, call_id=call_id, user_id=user_id, body=body, settings=settings, channel=channel
    )
    return authorized.authorization


async def _authorize(
    tx: Tx,
    *,
    call_id: CallId,
    user_id: UserId,
    body: bytes,
    settings: WebSettings,
    channel: str = "web",
) -> "_Held":
    """The checks in upstream's order, then the rows of the call, all or nothing."""
    if await accounts.is_frozen(tx, user_id):
        raise AccountFrozen
    await charging.check_eligibility(tx, user_id, settings)
    request = parse_json(CallRequest, body)
    voice = await voices.find_call_voice(tx, name=request.session_config.voice, owner=user_id)
    if voice is None:
        raise VoiceNotFound
    features = await features_of(tx, user_id)
    age = await ages.age_of(tx, user_id)
    cast = await cast_call(tx, request, user_id=user_id, features=features, age=age)
    age.may_call(settings)
    model = model_for(request.session_config.model, default=settings.call_default_model)
    held = await _hold(
        tx,
        call_id=call_id,
        user_id=user_id,
        model=model,
        settings=settings,
        features=features,
        channel=channel,
    )
    await admit(tx)
    frozen = _freeze(
        call_id,
        request,
        cast,
        voice=voice,
        model=model,
        free_call=held.free_call,
        disclosure=await texts.disclosure_in(tx, request.language),
        referral=await texts.referral_in(tx, request.language, country=settings.safety_country),
        minors_mode=age.is_minor,
    )
    await call_configs.insert(tx, frozen)
    await freeze_memory(
        tx,
        call_id=call_id,
        user_id=user_id,
        asked=request.memory if age.may_remember(settings) else False,
        character_id=frozen.character_id,
    )
    return _Held(held, frozen.disclosure)


async def _hold(
    tx: Tx,
    *,
    call_id: CallId,
    user_id: UserId,
    model: str,
    settings: WebSettings,
    features: Features,
    channel: str,
) -> Authorization:
    try:
        return await charging.authorize(
            tx,
            call_id=call_id,
            user_id=user_id,
            settings=settings,
            concurrent_max=features.concurrent_calls,
            model=model,
            channel=channel,
        )
    except ActiveCall as refused:
        live = await open_calls_of(tx, user_id)
        raise CallInProgress(live[-1].id) from refused


def _freeze(
    call_id: CallId,
    request: CallRequest,
    cast: Cast,
    *,
    voice: Voice,
    model: str,
    free_call: bool,
    disclosure: str,
    referral: str,
    minors_mode: bool,
) -> FrozenCall:
    wanted = request.session_config
    return FrozenCall(
        call_id=call_id,
        room_name=room_name_of(call_id),
        plan="free" if free_call else "paid",
        model=model,
        voice_id=voice.id,
        voice=voice.name,
        language=request.language,
        instructions=cast.instructions,
        greeting=greeting_in(request.language, name=cast.character_name),
        temperature=wanted.temperature,
        max_output_tokens=wanted.max_output_tokens,
        instructions_locked=cast.is_locked,
        free_call=free_call,
        character_id=cast.character_id,
        character_name=cast.character_name,
        prompt_version=cast.prompt_version,
        scene_id=cast.scene_id,
        scene_modified=cast.scene_modified,
        disclosure=disclosure,
        referral=referral,
        minors_mode=minors_mode,
    )


def end_superseded(services: Services, superseded: Iterable[UUID]) -> None:
    """Rooms of calls that another one took the place of go, meanwhile."""
    for old in superseded:
        metrics.CALLS_ENDED.labels(EndReason.SUPERSEDED).inc()
        services.background.start(end_call_room(services.livekit, old), kind="delete_room")


async def _make_room(services: Services, call_id: CallId) -> None:
    """The room with its agent."""
    try:
        await services.livekit.create_call_room(room_name_of(call_id), call_id)
    except Unavailable:
        # It may have been made all the same: its agent is refused at the start, the room goes.
        services.background.start(end_call_room(services.livekit, call_id), kind="delete_room")
        await asyncio.shield(_give_back(services, call_id))
        raise


async def _give_back(services: Services, call_id: CallId) -> None:
    """Expire a call nobody can join, and return its hold."""
    async with transaction(services.pool) as tx:
        await charging.close(
            tx,
            call_id=call_id,
            epoch=None,
            seconds=0,
            reason=EndReason.MEDIA_LOST,
            closed_by="operator",
            source="reaper",
        )
    metrics.CALLS_ENDED.labels(EndReason.MEDIA_LOST).inc()


async def end_call_room(
    livekit: LiveKitGateway,
    call_id: UUID,
    *,
    after_s: float = 0,
    notice: Notice | None = None,
    room_name: str | None = None,  # of a call that came in by another door than the page
) -> None:
    """Best effort: tell who is still in the room of an ended call, wait, send everybody away."""
    name = room_name or room_name_of(call_id)
    try:
        if notice:
            await livekit.send_notice(name, notice)
        await asyncio.sleep(after_s)
        await livekit.delete_room(name)
    except Unavailable:  # the jobs compare rooms and calls, and find it
        log.warning("room_not_deleted", call_id=str(call_id))
