"""
What the agent and the control plane tell each other about a telephone call before it is a call.

The dispatch of a phone call names no call: there is none until the caller has proven who pays. The
agent asks who is greeted, hands on the digits, then asks for a call; each step costs nothing.
Numbers and digits go over this wire and nowhere else: they are in no repr and in no log.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.call_protocol import Message

PHONE_DISPATCH = "phone"  # the metadata of a dispatch where the page's has a call id
PHONE_ROOM_PREFIX = "phone"  # of rooms that the dispatch rule makes: phone_<our number>_<random>
PIN_DIGITS = 6
# Of a number that is being verified; longer than a PIN, so that neither is the other.
CODE_DIGITS = 8
CHARACTERS_MAX = 21  # three pages of the keypad: nobody listens to more names than that
NUMBER_CHARS_MAX = 64  # of what a trunk may write; the longest number has 16 with its plus

Number = Annotated[str, Field(max_length=NUMBER_CHARS_MAX, repr=False)]


class GreetCaller(Message):
    """POST /internal/v1/phone/greet. Numbers as the trunk writes them; empty where hidden."""

    from_number: Number
    to_number: Number


class Welcome(Message):
    """
    How to greet. `known`: an account verified this number and has a PIN, which is asked for.
    `claimed`: an account waits for this number to enter its code. `locked`: too many wrong PINs;
    `locked_minutes` until the next may be tried. `refused`: too many calls, do not answer.
    `unknown`: everybody else, and whoever has a number but no PIN: nobody learns who is a customer.

    `credits_per_minute` is what a call from here costs; `site` is where accounts are made.
    """

    standing: Literal["known", "claimed", "locked", "refused", "unknown"]
    language: str
    credits_per_minute: int
    site: str
    locked_minutes: int = 0


class EnterDigits(Message):
    """POST /internal/v1/phone/digits: a PIN or a code, by its length."""

    from_number: Number
    to_number: Number
    digits: Annotated[str, Field(pattern=r"^[0-9]{1,16}$", repr=False)]


class Named(Message):
    """A character on the menu, and what a minute with it costs from this number."""

    id: UUID
    name: str
    credits_per_minute: int


class Verdict(Message):
    """
    `entered`: the PIN was right; `entry_id` buys one call within two minutes. `verified`: the code
    was right, the number is the account's now. `characters` and `languages` are the menu, in the
    order of the keys; `operator` is the number of a person, None where there is none.
    """

    outcome: Literal["entered", "verified", "wrong", "locked"]
    entry_id: UUID | None = None
    characters: list[Named] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=list)
    operator: str | None = None
    locked_minutes: int = 0


class AskForCall(Message):
    """POST /internal/v1/phone/entries/{id}/call. None for what is usual."""

    room_name: Annotated[str, Field(min_length=1, max_length=256)]
    character: UUID | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    credits_per_minute_max: int  # what the caller was told; a dearer call has expired


class PhoneCall(Message):
    """
    `call` names a call to be started like any other; every other outcome costs nothing.

    From then on somebody must start it within seconds, or the reaper takes it for unanswered.
    """

    outcome: Literal[
        "call",
        "no_credit",
        "free_used",
        "busy",
        "frozen",
        "no_capacity",
        "not_allowed",
        "expired",
    ]
    call_id: UUID | None = None
