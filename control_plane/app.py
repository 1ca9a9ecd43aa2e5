"""
The composition root of the web process:

    python -m uvicorn control_plane.app:create_app --factory

Everything real is built here, once, and handed down. No other module makes a client or a pool.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import httpx2
from fastapi import APIRouter, FastAPI
from pydantic import ValidationError
from redis.asyncio import Redis

from billing.receipt_keys import BadReceiptKeys, ReceiptKeys
from billing.stripe_gateway import StripeGateway
from control_plane.accounts import AccountDirectory
from control_plane.audio.workshop import open_workshop
from control_plane.auth import SessionVerifier
from control_plane.background import Background
from control_plane.boundary import RequestBoundary
from control_plane.cloning.recognition import open_recognition
from control_plane.cloning.upload_gate import UploadGate
from control_plane.http_errors import register_error_handlers
from control_plane.jwks import FETCH_TIMEOUT_S, KeySet
from control_plane.key_ring import open_key_ring
from control_plane.limits.opening import open_limits
from control_plane.listening import keep_listening
from control_plane.livekit_gateway import LiveKitGateway
from control_plane.memories.desk import open_memories
from control_plane.objects.opening import open_objects
from control_plane.openapi import WebApplication
from control_plane.routes import (
    agent_calls,
    analyze,
    api_keys,
    auto_topup,
    balances,
    billing_usage,
    call_settings,
    call_tools,
    calls,
    characters,
    checkout,
    clone_voice,
    consents,
    daily_credits,
    daily_stats,
    dev_session,
    estimate_credits,
    generate_text,
    generate_voice,
    health,
    history,
    invoices,
    limits,
    livekit_webhook,
    memories,
    operator_accounts,
    operator_actions,
    operator_ages,
    operator_dead_letters,
    operator_reports,
    operators,
    packages,
    payments,
    phone_desk,
    phone_numbers,
    plans,
    portal,
    prices,
    recordings,
    safety,
    stripe_webhook,
    subscription,
    usage_events,
    voices,
)
from control_plane.routes.audio_links import audio_links_router
from control_plane.routes.help_page import help_router
from control_plane.routes.page import page_router
from control_plane.routes.programs import program_routers
from control_plane.routes.receipts import receipts_router
from control_plane.sentry import configure_sentry
from control_plane.services import Services
from control_plane.settings import WebSettings
from control_plane.settler import Settler
from control_plane.speech.opening import open_desk
from control_plane.speech.recent import Recent
from control_plane.speech.writing_help import WritingHelp
from control_plane.tts.studio import open_studio
from control_plane.workers import KnownWorkers
from shared.clock import Clock, SystemClock
from shared.db import Pool, open_pool
from shared.log import configure_logging, get_logger

log = get_logger(__name__)

WEB_ROOT: Final = Path(__file__).resolve().parent.parent / "web"
DATABASE_WAIT_S: Final = 30.0  # Postgres starts in a few seconds, after a crash in some more
REDIS_TIMEOUT_S: Final = 1.0  # it is a cache: waiting longer than for Postgres makes no sense


def create_app() -> FastAPI:
    """The application as its environment says. Exits with the name of a wrong setting."""
    settings = _read_settings()
    configure_logging("web")
    for name in ("uvicorn", "uvicorn.error"):  # one form for all records, theirs too
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    configure_sentry(settings)
    try:
        return build_app(settings, clock=SystemClock())
    except BadReceiptKeys as error:
        raise SystemExit(f"The web process cannot start. RECEIPT_SIGNING_KEYS: {error}") from None


def _read_settings() -> WebSettings:
    try:
        return WebSettings()
    except ValidationError as error:
        issues = [
            f"{'.'.join(map(str, issue['loc'])).upper() or 'settings'}: {issue['msg']}"
            for issue in error.errors(include_input=False)
        ]
        raise SystemExit("The web process cannot start. " + "; ".join(issues)) from None


def build_app(settings: WebSettings, *, clock: Clock) -> FastAPI:
    """The application for given settings; tests start here."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, clock) as services:
            app.state.services = services
            yield

    app = WebApplication(
        title="sexycall",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # the usual pages load scripts from a CDN
        redoc_url=None,
    )
    app.add_middleware(RequestBoundary, clock=clock)
    register_error_handlers(app)
    for router in _routers(settings, clock):
        app.include_router(router)
    return app


def _routers(settings: WebSettings, clock: Clock) -> Iterator[APIRouter]:
    """All routes; the busiest first, because they are tried in this order."""
    for module in (agent_calls, calls, balances, voices, usage_events, prices, api_keys):
        yield module.router
    for module in (generate_voice, estimate_credits, generate_text, history, billing_usage):
        yield module.router
    yield from program_routers()
    yield consents.router
    yield clone_voice.router
    for module in (memories, call_settings, call_tools, analyze):
        yield module.router
    yield receipts_router(ReceiptKeys.of(settings))
    if settings.objects_bucket is None:
        yield audio_links_router(settings)
    yield livekit_webhook.router
    yield stripe_webhook.router
    yield checkout.router
    yield packages.router
    yield auto_topup.router
    yield payments.router
    for module in (plans, subscription, portal, invoices):
        yield module.router
    for module in (daily_credits, limits, characters, safety):
        yield module.router
    yield help_router(clock)
    yield operators.router
    for module in (operator_accounts, operator_actions, operator_dead_letters, daily_stats):
        yield module.router
    yield operator_ages.router
    yield operator_reports.router
    for module in (phone_numbers, phone_desk):
        yield module.router
    yield recordings.router
    yield recordings.internal_router
    yield health.router
    if settings.local_dev:
        yield dev_session.router
    yield page_router(
        WEB_ROOT,
        livekit_url=settings.browser_url,
        local=settings.local_dev,
        sells=settings.stripe_secret_key is not None,
        phone=settings.offers_phone,
    )


@asynccontextmanager
async def open_services(settings: WebSettings, clock: Clock) -> AsyncIterator[Services]:
    """Everything a request may use, closed in reverse order. Raises when there is no Postgres."""
    async with AsyncExitStack() as stack:
        pool = await _pool_when_there(settings, clock)
        stack.push_async_callback(pool.close)
        livekit = LiveKitGateway(settings)
        stack.push_async_callback(livekit.close)
        redis = _open_redis(settings)
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=FETCH_TIMEOUT_S))
        stack.callback(asyncio.create_task(keep_listening(pool)).cancel)
        key_ring = await stack.enter_async_context(
            open_key_ring(pool, clock, hmac_secret=settings.api_key_hmac_secret)
        )
        workshop = await stack.enter_async_context(open_workshop(settings))
        recognition = open_recognition(settings)
        stack.push_async_callback(recognition.close)
        limiter, occupancy = await stack.enter_async_context(
            open_limits(clock, redis_url=settings.redis_url, secret=settings.internal_token)
        )
        objects = open_objects(settings, clock=clock)
        studio = open_studio(settings, clock)
        stack.push_async_callback(studio.close)
        desk = open_desk(
            pool=pool,
            redis=redis,
            studio=studio,
            workshop=workshop,
            objects=objects,
            seats=occupancy,
            seats_max=settings.generations_in_flight_max,
            keep_days=settings.audio_keep_days,
            believed_s=settings.cache_believed_s,
            clock=clock,
        )
        stack.push_async_callback(desk.close)
        writing_help = WritingHelp(settings)
        stack.push_async_callback(writing_help.close)
        background = Background()
        stack.push_async_callback(background.close)
        keys = settings.session_jwks_url and KeySet(settings.session_jwks_url, http, clock)
        till = StripeGateway.open(settings) if settings.stripe_secret_key else None
        if till is not None:
            stack.push_async_callback(till.close)
        yield Services(
            settings=settings,
            clock=clock,
            pool=pool,
            livekit=livekit,
            redis=redis,
            sessions=SessionVerifier(settings, keys or None),
            accounts=AccountDirectory(pool, clock, signup_credits=settings.signup_credits),
            key_ring=key_ring,
            workers=KnownWorkers(),
            settler=Settler(pool, settings),
            background=background,
            limiter=limiter,
            occupancy=occupancy,
            workshop=workshop,
            objects=objects,
            studio=studio,
            desk=desk,
            writing_help=writing_help,
            speakers=Recent(clock, believed_s=settings.cache_believed_s),
            recognition=recognition,
            uploads=UploadGate(),
            memories=await stack.enter_async_context(open_memories(pool, settings)),
            till=till,
        )


async def _pool_when_there(settings: WebSettings, clock: Clock) -> Pool:
    """Wait a little for a database that is starting too."""
    deadline = clock.monotonic() + DATABASE_WAIT_S
    while True:
        try:
            return await open_pool(settings, application_name="web")
        except (OSError, asyncpg.CannotConnectNowError):
            if clock.monotonic() > deadline:
                raise
            log.warning("no_database", dependency="postgres")
            await asyncio.sleep(1)


def _open_redis(settings: WebSettings) -> Redis | None:
    """Connects when it is first used, so that its absence stops nothing."""
    if settings.redis_url is None:
        return None
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )
