"""How much of the machine work on audio may take."""

from pydantic import Field

from shared.settings import EnvironmentSettings


class AudioSettings(EnvironmentSettings):
    audio_workers: int = Field(default=2, ge=1, le=64)  # processes; each has about 65 MB
    audio_queue_max: int = Field(default=64, ge=0, le=10_000)  # tasks that may wait for one
    audio_memory_mb: int = Field(default=768, ge=256, le=16_384)  # address space of a process
