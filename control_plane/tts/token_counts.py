"""What a provider that is billed by tokens can tell beforehand."""

from typing import Final, Protocol, runtime_checkable

from control_plane.tts.port import Utterance

OUTPUT_TOKENS_PER_SECOND: Final = 32
CHARACTERS_PER_SECOND: Final = 15  # how fast text is spoken; upstream's estimate


@runtime_checkable
class CountsTokens(Protocol):
    """A provider with a free endpoint that counts. Raises as `Provider`."""

    name: str

    async def count_tokens(self, utterance: Utterance) -> int: ...


def output_tokens(spoken_characters: int) -> int:
    """Tokens of audio to be expected for a text, rounded up."""
    return -(-spoken_characters * OUTPUT_TOKENS_PER_SECOND // CHARACTERS_PER_SECOND)
