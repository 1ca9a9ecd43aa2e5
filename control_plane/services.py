"""What a request may use: built once in `app.py`, handed to routes as Annotated dependencies."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request

from billing.stripe_objects import Till
from control_plane.accounts import AccountDirectory
from control_plane.audio.port import Workshop
from control_plane.auth import SessionVerifier, bearer_token, check_worker_credential
from control_plane.background import Background
from control_plane.cloning.recognition import Recognition
from control_plane.cloning.upload_gate import UploadGate
from control_plane.key_ring import KeyRing
from control_plane.limits.occupancy import Occupancy
from control_plane.limits.ratelimit import RateLimiter
from control_plane.livekit_gateway import LiveKitGateway
from control_plane.memories.desk import MemoryDesk
from control_plane.objects.port import ObjectStore
from control_plane.settings import WebSettings
from control_plane.settler import Settler
from control_plane.speech.generation import SpeechDesk
from control_plane.speech.recent import Recent
from control_plane.speech.writing_help import WritingHelp
from control_plane.store.speech_voices import Speaker
from control_plane.tts.studio import Studio
from control_plane.workers import KnownWorkers
from shared.clock import Clock
from shared.db import Pool
from shared.ids import UserId


@dataclass(frozen=True, slots=True)
class Services:
    settings: WebSettings
    clock: Clock
    pool: Pool
    livekit: LiveKitGateway
    redis: Redis | None
    sessions: SessionVerifier
    accounts: AccountDirectory
    key_ring: KeyRing
    workers: KnownWorkers
    settler: Settler
    background: Background
    limiter: RateLimiter
    occupancy: Occupancy
    workshop: Workshop
    objects: ObjectStore
    studio: Studio
    desk: SpeechDesk
    writing_help: WritingHelp
    speakers: Recent[tuple[UserId, str], Speaker]  # of everybody's voices, by the id as sent
    recognition: Recognition
    uploads: UploadGate
    memories: MemoryDesk
    till: Till | None  # without a key nothing is sold: see `till_of`


# Dependencies are `async` although they wait for nothing: FastAPI runs plain ones in a thread.


async def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(services_of)]


async def signed_in(request: Request, services: CurrentServices) -> UserId:
    """The account of the session token. Raises Unauthenticated."""
    identity = await services.sessions.verify(bearer_token(request.headers))
    return await services.accounts.user_id_of(identity)


async def trusted_worker(request: Request, services: CurrentServices) -> None:
    """Let agent workers in, by their shared credential. Raises Unauthenticated."""
    check_worker_credential(bearer_token(request.headers), services.settings)


SignedIn = Annotated[UserId, Depends(signed_in)]
TrustedWorker = Depends(trusted_worker)
