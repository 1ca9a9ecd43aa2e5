"""Builds the desk out of its parts."""

from redis.asyncio import Redis

from control_plane.audio.port import Workshop
from control_plane.objects.port import ObjectStore
from control_plane.speech.cache import MadeBefore
from control_plane.speech.cashier import Cashier
from control_plane.speech.flights import Flights
from control_plane.speech.generation import Seats, SpeechDesk
from control_plane.speech.production import Production
from control_plane.tts.studio import Studio
from shared.clock import Clock
from shared.db import Pool


def open_desk(
    *,
    pool: Pool,
    redis: Redis | None,
    studio: Studio,
    workshop: Workshop,
    objects: ObjectStore,
    seats: Seats,
    seats_max: int,
    keep_days: int,
    believed_s: float,
    clock: Clock,
) -> SpeechDesk:
    """
    A desk, to be closed.

    `seats_max`: generations of one account at once. `keep_days`: of audio nobody's history has.
    `believed_s`: how long a hit is repeated without asking the database.
    """
    return SpeechDesk(
        before=MadeBefore(pool, clock, believed_s=believed_s),
        cashier=Cashier(pool, keep_days=keep_days),
        production=Production(studio=studio, workshop=workshop, objects=objects),
        flights=Flights(redis, clock),
        seats=seats,
        seats_max=seats_max,
        clock=clock,
    )
