"""
The wire contract between agent and control plane, versioned by path (/internal/v1).

All seconds are whole and absolute: "the call has used N seconds so far", never "N more". A report
may be lost, repeated or overtaken; the largest one wins. See docs/glossary.md for the words.
"""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.end_reasons import EndReason

AGENT_NAME = "sexycall"
CALLER_IDENTITY = "human"  # constant, as upstream clients expect; it names nobody

SETTLE_BATCH_MAX = 10_000  # calls in one report; one worker group holds far fewer
CALL_SECONDS_MAX = 24 * 3600  # longest call anybody may report; an int far from overflow
TRANSCRIPT_ITEMS_MAX = 200  # items in one transcript report
TRANSCRIPT_TEXT_MAX = 8_000  # characters of one spoken turn

# In `CallConfig.instructions`, before the scene: that is no secret, and often the caller's own.
SCENE_MARK = "\n\nScene instructions:\n"

# The audio track of the sentence that this is an AI: heard first, paid for by nobody.
TRACK_VOICE = "voice"
TRACK_DISCLOSURE = "disclosure"

# Data topics from our side to the caller's page (JSON bodies below).
TOPIC_METER = "sexycall.meter"
TOPIC_NOTICE = "sexycall.notice"

Seconds = Annotated[int, Field(ge=0, le=CALL_SECONDS_MAX, strict=True)]
Epoch = Annotated[int, Field(ge=0, le=32_000, strict=True)]
ShortText = Annotated[str, Field(min_length=1, max_length=128)]


class Message(BaseModel):
    """Strict: an unknown field is a protocol error, not noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StartCall(Message):
    """POST /internal/v1/calls/{id}/start. The same job id again gets the same answer."""

    worker_id: ShortText
    job_id: ShortText


# ask: the caller is to be asked; given: another agent got a yes, which can be taken back.
RecordingWish = Literal["off", "ask", "given"]


class CallConfig(Message):
    """All an agent may know of a call. It holds no price, no user and no balance."""

    call_id: UUID
    epoch: Epoch
    seconds: Seconds  # billed so far; above 0 when this worker takes a call over
    granted_seconds: Seconds  # the call may run to this second
    final_unit: bool  # no more credit is to be had; say goodbye inside the grant
    free_limited: bool  # the limit is the free allowance, not the balance
    room_name: str
    caller_identity: str
    model: str
    voice: str
    language: str
    instructions: str
    greeting: str
    temperature: float | None
    max_output_tokens: int | None
    instructions_locked: bool  # a public character: the caller may not replace the prompt
    silence_limit_s: int  # seconds of mutual silence after which the agent hangs up
    join_limit_s: int  # seconds the agent waits for the caller
    rejoin_limit_s: int  # seconds a lost caller may take to come back
    character_name: str | None = None
    disclosure: str | None = None  # said first, before the clock starts; None: said already
    referral: str | None = None  # where to find help in a crisis
    break_reminder_s: int | None = None  # billed seconds after which to suggest a break
    memories: list[str] = []  # of this caller: data to quote, never instructions
    tools: list[str] = []  # by name; one the agent does not have is not offered
    links: dict[str, str] = {}  # what `send_link` may send: name to address
    cap_limited: bool = False  # the limit is the caller's own for the month, not the balance
    rules: str = ""  # of the service: behind all else, and no change of the caller's reaches them
    # By phone the caller is whoever of kind SIP is in the room: their identity holds a number.
    channel: Literal["web", "phone"] = "web"
    recording: RecordingWish = "off"


class CallReport(Message):
    """The watermark of one call: `seconds` used so far."""

    id: UUID
    epoch: Epoch
    seconds: Seconds


class SettleReport(Message):
    """POST /internal/v1/calls/settle: all calls of one worker group in one request."""

    worker_id: ShortText
    calls: Annotated[list[CallReport], Field(max_length=SETTLE_BATCH_MAX)]


class Standing(StrEnum):
    """What a report found. Anything but OPEN tells the agent to stop."""

    OPEN = "open"
    FENCED = "fenced"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Grant(Message):
    """The answer for one call."""

    id: UUID
    standing: Standing
    seconds: int
    granted_seconds: int
    final_unit: bool


class SettleAnswer(Message):
    calls: list[Grant]


class CloseCall(Message):
    """POST /internal/v1/calls/{id}/close. A closed call answers how it ended."""

    worker_id: ShortText
    epoch: Epoch
    seconds: Seconds
    reason: EndReason
    source: Literal["agent", "journal"] = "agent"


class CloseAnswer(Message):
    """The settlement. `already_closed` is true when somebody else closed the call before."""

    id: UUID
    seconds: int
    end_reason: str
    already_closed: bool


class TranscriptItem(Message):
    """One spoken turn. `index` makes a repeated report a no-op."""

    index: Annotated[int, Field(ge=0, le=100_000)]
    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=TRANSCRIPT_TEXT_MAX)]
    at_s: Annotated[float, Field(ge=0, le=CALL_SECONDS_MAX)]  # seconds since the agent joined
    interrupted: bool = False


class Gap(Message):
    """
    Time in which the clock stood still, listed on the receipt.

    `at_s` is the billed second the clock stood at; `lasted_s` is wall time. The gap that is still
    open is reported with what it has lasted so far, under the same index.
    """

    index: Annotated[int, Field(ge=0, le=10_000)]
    at_s: Seconds
    lasted_s: Annotated[float, Field(ge=0, le=CALL_SECONDS_MAX)]
    cause: Literal["caller_away", "media_lost", "provider_away", "agent_replaced"]


# "crisis" was noticed by words, "crisis_by_model" by the moderation model; both told the same.
EventKind = Literal[
    "disclosed",
    "crisis",
    "crisis_by_model",
    "moderation_away",
    "break_reminder",
    "prompt_guarded",
]


class CallEvent(Message):
    """Something that happened besides the talk. It holds no words of anybody's."""

    index: Annotated[int, Field(ge=0, le=10_000)]
    kind: EventKind
    at_s: Annotated[float, Field(ge=0, le=CALL_SECONDS_MAX)]  # seconds since the agent joined


class TranscriptReport(Message):
    """POST /internal/v1/calls/{id}/transcript: what was said, and when nothing could be said."""

    epoch: Epoch
    items: Annotated[list[TranscriptItem], Field(max_length=TRANSCRIPT_ITEMS_MAX)]
    gaps: Annotated[list[Gap], Field(max_length=TRANSCRIPT_ITEMS_MAX)] = []
    events: Annotated[list[CallEvent], Field(max_length=TRANSCRIPT_ITEMS_MAX)] = []


class WorkerReport(Message):
    """POST /internal/v1/workers: a heartbeat of the worker group and what it can still take."""

    worker_id: ShortText
    slots: Annotated[int, Field(ge=0, le=10_000)]  # calls it can hold in total, 0 while draining


class MeterMessage(Message):
    """Agent to page, topic `sexycall.meter`, on every change; the page counts in between."""

    state: Literal["waiting", "running", "paused", "ended"]
    seconds: int
    granted_seconds: int
    final_unit: bool


class Notice(Message):
    """To the page, topic `sexycall.notice`: something the caller must be told in words."""

    kind: Literal[
        "low_balance",
        "credit_added",
        "agent_late",
        "agent_lost",
        "provider_away",
        "goodbye",
        "ended",
        "payment_failed",
        "crisis",
        "break_reminder",
        "link",
        "recording_question",
        "recording_on",
        "recording_off",
    ]
    message: str
    seconds_left: int | None = None
    url: str | None = None  # of a link
    choices: list[str] = []  # what to press: yes and no of a question; stop of a recording
