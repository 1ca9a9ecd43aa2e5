"""An order with everything that follows from it: who makes it, what is sent, what is billed."""

from dataclasses import dataclass

from billing.price_book import plan_of
from billing.pricing import characters_of
from control_plane.errors import VoiceNotFound
from control_plane.speech.errors import TextMissing
from control_plane.speech.order import SpeechOrder, SpeechVoice
from control_plane.tts.catalog import MODELS, SpeechModel, model_of_voice, styled_text
from control_plane.tts.port import Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`spoken_text` is what the model reads and what is measured; `digest` names the audio."""

    order: SpeechOrder
    model: SpeechModel
    provider_model: str
    spoken_text: str
    digest: bytes

    @property
    def product(self) -> str:
        """The column of the price book: cloning is priced as such, whichever route it came by."""
        return "clone" if self.model.is_clone else "speech"

    @property
    def plan(self) -> str:
        return plan_of(paid=self.order.is_paid)

    @property
    def may_fall_back(self) -> bool:
        """Upstream's rule: programs always, people once they have paid."""
        return self.order.is_paid or self.order.source.channel == "api"

    @property
    def input_characters(self) -> int:
        return characters_of(self.spoken_text)

    def utterance(self, reference: bytes | None) -> Utterance:
        order = self.order
        return Utterance(
            model=self.provider_model,
            voice=order.voice.name,
            text=order.text,
            language=order.language or order.voice.language,
            style=order.style,
            seed=order.seed,
            temperature=order.temperature,
            speed=order.speed,
            reference=reference,
        )


def model_for(voice: SpeechVoice | None) -> SpeechModel:
    """Raises VoiceNotFound when there is no such voice, or it is of no model of ours."""
    model = model_of_voice(voice.model) if voice else None
    if model is None:
        raise VoiceNotFound
    return model


def recipe_of(order: SpeechOrder) -> Recipe:
    """Raises VoiceNotFound for a voice of no model of ours, and TextMissing."""
    model = model_for(order.voice)
    if not order.text.strip():
        raise TextMissing
    provider_model = model.provider_model(is_paid=order.is_paid)
    if order.voice.model not in MODELS:  # a path at Replicate, which is the provider's own name
        provider_model = order.voice.model
    return Recipe(
        order=order,
        model=model,
        provider_model=provider_model,
        spoken_text=styled_text(model, order.text, order.style),
        digest=order.digest(provider=model.provider, provider_model=provider_model),
    )
