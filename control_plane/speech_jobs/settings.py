"""How much of the jobs process long texts may take."""

from pydantic import Field

from shared.settings import EnvironmentSettings


class SpeechJobSettings(EnvironmentSettings):
    """Of each jobs process, except the limits of one account."""

    speech_job_characters_max: int = Field(default=100_000, ge=1_000, le=1_000_000)
    speech_jobs_open_max: int = Field(default=20, ge=1, le=1_000)  # of one account: queued, running
    speech_jobs_at_once: int = Field(default=2, ge=0, le=64)  # in one process; 0: none here
    speech_jobs_of_account: int = Field(default=2, ge=1, le=64)  # running, over all processes
    speech_job_parts_at_once: int = Field(default=4, ge=1, le=32)  # of one job
    # A worker that is silent for so long is taken for dead, and its job goes to another.
    speech_job_lease_s: float = Field(default=30.0, ge=1.0, le=600.0)
