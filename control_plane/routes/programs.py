"""All routes for programs, by API key; the busiest first."""

from collections.abc import Iterator

from fastapi import APIRouter

from control_plane.routes import (
    openai_models,
    openai_speech,
    v1_billing,
    v1_catalogue,
    v1_jobs,
    v1_speech,
)
from control_plane.routes.v1_job_events import job_events_router
from control_plane.speech_jobs.progress import Listeners


def program_routers() -> Iterator[APIRouter]:
    """For one application: its progress streams are counted together."""
    for module in (v1_speech, openai_speech, v1_catalogue, v1_billing, openai_models, v1_jobs):
        yield module.router
    yield job_events_router(Listeners())
