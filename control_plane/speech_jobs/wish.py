"""What a job was asked to sound like, as its row keeps it, and the orders for its pieces."""

from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import UUID

from control_plane.audio.port import AudioFormat
from control_plane.speech.order import Source, SpeechOrder, SpeechVoice
from control_plane.store.speech_jobs import TakenJob
from control_plane.tts.catalog import SpeechModel


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWish:
    """All that shapes the audio besides text and voice; `voice_id` and `voice` for display."""

    model: str
    voice_id: str
    voice: str
    response_format: str
    source: str
    is_paid: bool
    style: str | None = None
    language: str | None = None
    seed: int | None = None
    temperature: float | None = None
    speed: float | None = None

    @classmethod
    def of(cls, order: SpeechOrder, model: SpeechModel) -> Self:
        return cls(
            model=model.id,
            voice_id=str(order.voice.id),
            voice=order.voice.name,
            response_format=str(order.audio_format),
            source=str(order.source),
            is_paid=order.is_paid,
            style=order.style,
            language=order.language,
            seed=order.seed,
            temperature=order.temperature,
            speed=order.speed,
        )

    @classmethod
    def from_row(cls, wish: dict[str, Any]) -> Self:
        return cls(**wish)

    def to_row(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def audio_format(self) -> AudioFormat:
        return AudioFormat(self.response_format)

    def order(self, job: TakenJob, voice: SpeechVoice, text: str) -> SpeechOrder:
        """For one piece, or for the whole text."""
        return SpeechOrder(
            user_id=job.user_id,
            voice=voice,
            text=text,
            source=Source(self.source),
            audio_format=self.audio_format,
            is_paid=self.is_paid,
            style=self.style,
            language=self.language,
            seed=self.seed,
            temperature=self.temperature,
            speed=self.speed,
            api_key_id=job.api_key_id,
            request_id=job.request_id,
            is_fresh=True,
        )

    def is_for(self, voice: SpeechVoice, *, version: int) -> bool:
        """Whether this is still the voice that was asked for."""
        return UUID(self.voice_id) == voice.id and voice.version == version
