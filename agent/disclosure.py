"""
What the caller hears first, and does not pay for: that this is an AI.

It is spoken on a track of its own, before the character's voice may make a sound: the billing clock
belongs to that voice, and so has nothing to decide. The model says it before it is told who it is
to be, with the microphone off: neither a prompt nor a caller talks it out of it.
"""

from difflib import SequenceMatcher

from livekit import rtc
from livekit.agents.llm import ChatMessage
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import PlaybackFinishedEvent

from agent.phrases import exactly
from agent.prompt_guard import squeezed
from agent.voice_output import VoiceOutput
from shared.call_protocol import TRACK_DISCLOSURE
from shared.clock import Clock

INSTRUCTIONS = "You read sentences out, word for word, and add nothing."
TRIES_MAX = 2  # a model that does not say it twice will not; the call ends then, unpaid
SAID_SHARE = 0.8  # of its letters, in order; "to a person, not to an AI" has 0.7 of the English one
SAID_RUN_MIN = 3  # letters in a row; single ones are in any text


class Disclosure:
    """Of one call."""

    def __init__(self, room: rtc.Room, clock: Clock, *, words: str, language: str) -> None:
        self.words = words
        self._was_played = False
        self.voice = VoiceOutput(room, clock, lambda: None, track_name=TRACK_DISCLOSURE)
        self.voice.on("playback_finished", self._on_played)
        self._language = language

    @property
    def order(self) -> str:
        """The instruction that makes a model say it."""
        return exactly(self.words, self._language)

    def was_heard(self, speech: SpeechHandle) -> bool:
        """Whether these words were played to their end to a caller who listens."""
        return self._was_played and is_said(self.words, text_of(speech))

    def _on_played(self, event: PlaybackFinishedEvent) -> None:
        self._was_played = not event.interrupted


def text_of(speech: SpeechHandle) -> str:
    """What the model says that it said; a refusal is spoken and played like anything else."""
    items = (item for item in speech.chat_items if isinstance(item, ChatMessage))
    return " ".join(item.text_content or "" for item in items)


def is_said(words: str, said: str) -> bool:
    """Whether `said` has `words` in it, perhaps a little changed, and whatever is around them."""
    wanted, heard = squeezed(words), squeezed(said)
    runs = SequenceMatcher(None, wanted, heard, autojunk=False).get_matching_blocks()
    found = sum(run.size for run in runs if run.size >= SAID_RUN_MIN)
    return found >= SAID_SHARE * len(wanted)
