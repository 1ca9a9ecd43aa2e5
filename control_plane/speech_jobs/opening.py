"""Puts the worker of speech jobs together for a process of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from control_plane.audio.settings import AudioSettings
from control_plane.audio.workshop import open_workshop
from control_plane.objects.opening import open_objects
from control_plane.objects.settings import ObjectSettings
from control_plane.settings import SpeechProviderSettings
from control_plane.speech.production import Production
from control_plane.speech.settings import RetentionSettings
from control_plane.speech_jobs.delivery import JobDeliverer
from control_plane.speech_jobs.settings import SpeechJobSettings
from control_plane.speech_jobs.speaking import PieceSpeaker
from control_plane.speech_jobs.worker import SpeechJobWorker
from control_plane.store.speech_jobs import TakenJob
from control_plane.tts.studio import open_studio
from shared.clock import Clock
from shared.db import Pool


class SpeechWorkSettings(
    SpeechProviderSettings, AudioSettings, ObjectSettings, RetentionSettings, SpeechJobSettings
):
    """What speaking long texts needs besides Postgres."""


@asynccontextmanager
async def open_speech_worker(
    settings: SpeechWorkSettings, *, pool: Pool, clock: Clock
) -> AsyncIterator[SpeechJobWorker]:
    """With providers and a workshop of its own; they start with the first job."""
    async with AsyncExitStack() as stack:
        workshop = await stack.enter_async_context(open_workshop(settings))
        studio = open_studio(settings, clock)
        stack.push_async_callback(studio.close)
        objects = open_objects(settings, clock=clock)
        maker = Production(studio=studio, workshop=workshop, objects=objects)
        speaker = PieceSpeaker(
            pool, maker, objects, parts_at_once=settings.speech_job_parts_at_once
        )
        deliverer = JobDeliverer(pool, workshop, objects, keep_days=settings.audio_keep_days)

        async def work(job: TakenJob, token: UUID) -> None:
            await deliverer.deliver(await speaker.spoken(job, token), token)

        yield SpeechJobWorker(pool, work, clock, settings)
