"""
What tools in a call ask of the control plane: /internal/v1/calls/{id}/tools/...

A tool speaks for its call and for nothing else: whose memories and whose credit these are, the
control plane knows by the call. A fenced or closed call is refused.
"""

from typing import Annotated, Literal

from pydantic import Field

from shared.call_protocol import Epoch, Message, Seconds

# Each is a file of agent/tools, whatever it asks of us.
TOOL_NAMES = ("remaining_credit", "end_call", "send_link", "remember", "forget", "recall")

WORDS_CHARS_MAX = 300
RECALLED_MAX = 5

Words = Annotated[str, Field(min_length=1, max_length=WORDS_CHARS_MAX)]


class AskCredit(Message):
    """POST .../tools/credit. `seconds`: the watermark, as in a report."""

    epoch: Epoch
    seconds: Seconds


class CreditLeft(Message):
    """`seconds` the call may still last, `credits` whole ones that may be spent in it."""

    seconds: int
    credits: int
    limited_by: Literal["credit", "monthly_cap", "free_allowance", "longest_call"]


class Remember(Message):
    """POST .../tools/remember: a fact that the caller told, in a slot of its own."""

    epoch: Epoch
    fact: Words
    slot: Annotated[str, Field(max_length=40)] = ""


class Remembered(Message):
    """How long it is kept; `call`: nothing was written down."""

    kept: Literal["call", "lasting", "off"]


class Forget(Message):
    """POST .../tools/forget: erase what these words speak of, also if it is told again."""

    epoch: Epoch
    words: Words


class Forgotten(Message):
    count: int


class Recall(Message):
    """POST .../tools/recall."""

    epoch: Epoch
    words: Words


class Recalled(Message):
    """The best few, best first: data, never instructions."""

    memories: Annotated[list[str], Field(max_length=RECALLED_MAX)]
