"""What a simulated call turned out to be, by the caller's own ears and clock."""

from dataclasses import asdict, dataclass, field
from typing import Any

from shared.call_protocol import MeterMessage, Notice


@dataclass(frozen=True, slots=True)
class Caption:
    """Words shown to the caller. `at_s` is a monotonic clock's."""

    speaker: str  # "agent" or "you"
    text: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing the caller said, and how long the agent took to answer or to fall silent."""

    said: str
    barge_in: bool
    latency_s: float | None = None  # from the end of our speech to the agent's answer
    fell_silent_s: float | None = None  # barge-in: from the start of our speech to silence


@dataclass(frozen=True, slots=True)
class RpcReceived:
    """Something the agent asked the page to show."""

    method: str
    payload: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class CallResult:
    """All durations in seconds. Filled in while the call goes on; final when `place` returns."""

    call_id: str | None = None
    refused_status: int | None = None  # 402, 409, 503 ...; 0 when nobody answered the request
    refused_words: str | None = None
    token_s: float | None = None  # from the click to the token
    joined_s: float | None = None  # from the click to the joined room
    first_sound_s: float | None = None  # from the click to the disclosure, which nobody pays for
    first_audio_s: float | None = None  # from the click to the agent's first sound after that
    talked_s: float = 0  # the stopwatch: first sound heard until the connection ended
    heard_agent_s: float = 0  # seconds of agent speech heard
    ended_by: str = ""  # "caller", "agent" (or server), "nobody_answered", "refused"
    turns: list[Turn] = field(default_factory=list)
    captions: list[Caption] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    meters: list[MeterMessage] = field(default_factory=list)
    rpcs: list[RpcReceived] = field(default_factory=list)
    credits_per_minute: int = 0
    status: str | None = None  # what the control plane says in the end
    end_reason: str | None = None
    settled: bool = False
    billed_s: int | None = None
    credits_used: float | None = None  # for display

    @property
    def answered(self) -> bool:
        """The agent was heard."""
        return self.first_audio_s is not None

    @property
    def agent_heard_us(self) -> bool:
        """Words of ours came back as a caption."""
        return any(caption.speaker == "you" for caption in self.captions)

    @property
    def difference_s(self) -> float | None:
        """Billed seconds minus the stopwatch; None before the settlement."""
        return None if self.billed_s is None else self.billed_s - self.talked_s

    def to_json(self) -> dict[str, Any]:
        """Plain values, derived ones included."""
        plain = asdict(self)
        plain["notices"] = [notice.model_dump() for notice in self.notices]
        plain["meters"] = [meter.model_dump() for meter in self.meters]
        for name in ("answered", "agent_heard_us", "difference_s"):
            plain[name] = getattr(self, name)
        return plain
