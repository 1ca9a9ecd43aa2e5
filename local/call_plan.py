"""What a simulated caller says, and for how long it stays."""

from dataclasses import dataclass
from pathlib import Path

from local.microphone import recorded, spoken
from local.telephone import by_telephone

ANSWER_WAIT_S = 20  # a caller who hears nothing for longer hangs up
DEFAULT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say. `barge_in`: say it while the agent speaks."""

    words: str
    pcm: bytes
    barge_in: bool = False

    @classmethod
    def of(cls, words: str, *, barge_in: bool = False) -> "Line":
        return cls(words, spoken(words), barge_in)

    @classmethod
    def by_telephone(cls, words: str, *, barge_in: bool = False) -> "Line":
        """As `of`, through a telephone line."""
        return cls(words, by_telephone(spoken(words)), barge_in)

    @classmethod
    def of_file(cls, path: Path) -> "Line":
        """Raises CannotRun when the file is not a WAV that we can read."""
        return cls(path.name, recorded(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """`seconds` of talk after the agent was first heard; the lines are repeated in turn."""

    lines: tuple[Line, ...]
    seconds: float = DEFAULT_SECONDS
    answer_wait_s: float = ANSWER_WAIT_S
    instructions: str = "You are a friendly demo character. Answer briefly."
    language: str = "en"
    voice: str = "Ara"


def usual_lines() -> tuple[Line, ...]:
    """A conversation with an interruption, in words that the local voice understands."""
    return (
        Line.of("hello there"),
        Line.of("tell me a story"),
        Line.of("please stop talking", barge_in=True),
        Line.of("how does the billing work"),
        Line.of("tell me a joke"),
        Line.of("can you hear me"),
    )
