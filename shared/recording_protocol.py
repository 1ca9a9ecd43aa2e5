"""
What the agent and the control plane tell each other about the recording of a call.

A consent is reported like everything else: all that is known so far, again and again if need be.
What was reported once never changes. A recording goes to RECORDINGS_PATH/{call id}?epoch=N, as the
body; the control plane keeps it only where a yes of that agent's caller is stored.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from shared.call_protocol import Epoch, Message, ShortText

RECORDING_S_MAX: Final = 3_600  # what comes later in a call is not recorded
# An hour at the encoder's 32 kbit/s is 15 MB.
RECORDING_BYTES_MAX: Final = 20 * 2**20
RECORDING_MEDIA_TYPE: Final = "audio/ogg"
RECORDINGS_PATH: Final = "/recordings"

ConsentAnswer = Literal["yes", "no", "none"]


class ConsentReport(Message):
    """POST /internal/v1/calls/{id}/recording-consent. `answer` None: asked, nothing said yet."""

    epoch: Epoch
    language: ShortText
    statement: Annotated[str, Field(min_length=1, max_length=1_000)]
    answer: ConsentAnswer | None = None


class ConsentStanding(Message):
    """Whether this agent may record its call now."""

    may_record: bool


class WithdrawConsent(Message):
    """POST /internal/v1/calls/{id}/recording-withdrawal: also of what another agent recorded."""

    epoch: Epoch


class Withdrawn(Message):
    """How many recordings were deleted for it."""

    deleted: int
