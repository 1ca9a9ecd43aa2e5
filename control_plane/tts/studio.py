"""
Where speech is made: the providers that are offered, with patience, retries and breakers.

It never retries what a client would notice twice: nothing is repeated after the first byte. Nor
what fails the same way again: a refused text, a spent quota, an answer that took too long.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.attempts import Attempts, Patience
from control_plane.tts.catalog import SpeechModel
from control_plane.tts.port import Provider, ProviderAway, ProviderRefusal, Speech, Utterance
from control_plane.tts.providers import open_providers
from control_plane.tts.token_counts import CountsTokens
from shared.clock import Clock

# Another model may do what this one could not; the text itself is refused by both.
FALLS_BACK: Final = (ProviderAway, ProviderRefusal)  # a spent quota is one of the latter


class Studio:
    """Safe to use from many tasks at once."""

    def __init__(
        self, providers: Mapping[str, Provider], clock: Clock, *, patience: Patience | None = None
    ) -> None:
        self._providers = providers
        self._attempts = Attempts(clock, patience or Patience())

    def offers(self, model: SpeechModel) -> bool:
        """Whether its provider has what it needs: a key, an address."""
        return model.provider in self._providers

    async def speak(
        self, model: SpeechModel, utterance: Utterance, *, may_fall_back: bool = True
    ) -> Speech:
        """
        Raises the refusals of `port.py` and nothing else.

        `Speech.model` tells which model did the work: with `may_fall_back` it may be
        `model.fallback_model`.
        """
        provider = self._provider_of(model)
        refusal: Exception = ProviderAway()
        for tried in _in_turn(model, utterance, may_fall_back=may_fall_back):
            try:
                return await self._attempts.speak(provider, tried)
            except FALLS_BACK as error:
                refusal = error
        raise refusal

    async def stream(
        self, model: SpeechModel, utterance: Utterance, *, may_fall_back: bool = True
    ) -> AsyncGenerator[bytes, None]:
        """
        PCM as of `Provider.stream`. Closing the iterator ends the work at the provider.

        Raises as `speak`, at the first step of the iteration or later. Which model spoke is not
        told; a stream falls back before its first byte or not at all.
        """
        provider = self._provider_of(model)
        refusal: Exception = ProviderAway()
        for tried in _in_turn(model, utterance, may_fall_back=may_fall_back):
            has_begun = False
            try:
                async with aclosing(self._attempts.stream(provider, tried)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
            except FALLS_BACK as error:
                if has_begun:
                    raise
                refusal = error
            else:
                return
        raise refusal

    async def count_tokens(self, model: SpeechModel, utterance: Utterance) -> int | None:
        """Tokens of the text with its style, as the provider counts; None where it does not."""
        provider = self._provider_of(model)
        if not isinstance(provider, CountsTokens):
            return None
        return await self._attempts.count_tokens(provider, utterance)

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()

    def _provider_of(self, model: SpeechModel) -> Provider:
        provider = self._providers.get(model.provider)
        if provider is None:
            raise ProviderAway
        return provider


def open_studio(settings: SpeechProviderSettings, clock: Clock) -> Studio:
    """A studio with every provider that the settings have a key or an address for."""
    return Studio(open_providers(settings), clock)


def _in_turn(
    model: SpeechModel, utterance: Utterance, *, may_fall_back: bool
) -> Iterator[Utterance]:
    yield utterance
    fallback = model.fallback_model
    if may_fall_back and fallback is not None and fallback != utterance.model:
        yield replace(utterance, model=fallback)
