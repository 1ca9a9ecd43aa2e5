"""
The talk before a call: who are you, may it cost, whom do you want.

Returns the id of a call, or None after it has said why there is none. It costs the caller nothing
and us no model; digits go to the control plane and are forgotten.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from agent.charging_client import Refused, Unknown
from agent.phone.desk_client import DeskClient
from agent.phone.keypad import Keypad
from agent.phone.menu import Listed, Pages
from agent.phone.speaker import Line
from agent.phone.texts import words_for
from agent.phone.words import Words
from agent.sentences import CannotSpeak
from shared.languages import DEFAULT_LANGUAGE
from shared.log import get_logger
from shared.phone_protocol import CODE_DIGITS, AskForCall, PhoneCall, Verdict, Welcome

log = get_logger(__name__)

ATTEMPTS_MAX = 3  # PINs in one call; the control plane counts over all calls
ASKED_MAX = 2  # a question without an answer is put once more
MENU_ROUNDS_MAX = 6
PAGES_SAID_MAX = 9  # of one list; who is still turning them is no person

_BEGIN, _CHARACTER, _LANGUAGE, _AGAIN, _OPERATOR = "1", "2", "3", "9", "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds from the end of a question to the first key, and between two keys."""

    answer_s: float = 8.0
    menu_s: float = 3.0  # whoever wants nothing special waits for the call, not for us
    key_s: float = 4.0


class Says(Protocol):
    """A voice; see `Speaker`. Both raise CannotSpeak."""

    async def open(self, first: Line) -> None: ...

    async def say(self, *lines: Line) -> None: ...


@dataclass(slots=True)
class Reception:
    """One caller at the desk. `transfer` hands them to a person; False when that did not work."""

    desk: DeskClient
    keypad: Keypad
    speaker: Says
    room_name: str
    transfer: Callable[[str], Awaitable[bool]]
    patience: Patience = Patience()
    language: str = DEFAULT_LANGUAGE
    _site: str = ""
    _price: int = 0
    _character: UUID | None = None
    _wanted_language: str | None = None

    async def run(self) -> UUID | None:
        """The call that may begin. Whatever goes wrong is said, as far as anybody can speak."""
        try:
            return await self._admit()
        except (Refused, Unknown) as problem:
            log.warning("phone_desk_away", error=type(problem).__name__)
            await self._say_at_last(self._words.trouble)
        except CannotSpeak as problem:
            log.error("phone_without_voice", error=str(problem))  # noqa: TRY400 - nobody's text
        return None

    async def _admit(self) -> UUID | None:
        welcome = await self.desk.greet()
        if welcome.standing == "refused":
            return None  # unanswered: a busy line costs nobody anything
        self._site, self._price = welcome.site, welcome.credits_per_minute
        self.language = welcome.language
        first = self._first_words(welcome)
        await self.speaker.open(first)
        if welcome.standing not in {"known", "claimed"}:
            await self.speaker.say(first)
            return None
        verdict = await self._prove(welcome)
        if verdict is None or verdict.entry_id is None or not await self._choose(verdict):
            return None
        return await self._place(verdict.entry_id)

    def _first_words(self, welcome: Welcome) -> Line:
        words = self._words
        said = {"known": words.pin, "claimed": words.code, "locked": words.locked}
        return self._line(said.get(welcome.standing, words.unknown), welcome.locked_minutes)

    async def _prove(self, welcome: Welcome) -> Verdict | None:
        """A right PIN or nothing; what is wrong, or done, was said."""
        words = self._words
        asked = words.pin if welcome.standing == "known" else words.code
        question = [self._line(asked)]
        for _ in range(ATTEMPTS_MAX):
            digits = await self.ask(*question)
            if not digits:
                await self.say(words.silent)
                return None
            verdict = await self.desk.enter(digits)
            if verdict.outcome == "entered":
                return verdict
            if verdict.outcome == "verified":
                await self.say(words.verified)
                return None
            if verdict.outcome == "locked":
                await self.say(words.locked, minutes=verdict.locked_minutes)
                return None
            question = [self._line(words.wrong), self._line(asked)]
        await self.say(words.wrong)
        return None

    async def _choose(self, verdict: Verdict) -> bool:
        """The menu; silence means what is usual. False when the caller was handed on."""
        for _ in range(MENU_ROUNDS_MAX):
            menu = self._line(self._words.menu)
            key = await self.ask_once(menu, wait_s=self.patience.menu_s)
            if key == _CHARACTER and verdict.characters:
                await self._choose_character(verdict)
            elif key == _LANGUAGE and verdict.languages:
                await self._choose_language(verdict.languages)
            elif key == _OPERATOR:
                if await self._hand_on(verdict.operator):
                    return False
            elif key != _AGAIN:
                return True
        return True

    async def _choose_character(self, verdict: Verdict) -> None:
        choice = self._words.choice
        names = [
            Listed(choice.replace("{name}", each.name), self.language)
            for each in verdict.characters
        ]
        index = await self._pick(names)
        if index is not None:
            chosen = verdict.characters[index]
            self._character = chosen.id
            if chosen.credits_per_minute != self._price:
                self._price = chosen.credits_per_minute
                await self.say(self._words.price)  # and who does not like it may choose again

    async def _choose_language(self, codes: list[str]) -> None:
        index = await self._pick([Listed(words_for(code).language, code) for code in codes])
        if index is not None:
            self._wanted_language = self.language = codes[index]

    async def _pick(self, entries: list[Listed]) -> int | None:
        pages = Pages(entries, self.language)
        for _ in range(PAGES_SAID_MAX):
            pages.press(await self.ask_once(*pages.lines(), wait_s=self.patience.answer_s))
            if pages.is_over:
                break
        return pages.chosen

    async def _hand_on(self, operator: str | None) -> bool:
        """To a person. Only where an operator is set, and only for who has entered their PIN."""
        if operator:
            await self.say(self._words.connecting)
            if await self.transfer(operator):
                return True
        await self.say(self._words.operator_away)
        return False

    async def _place(self, entry_id: UUID) -> UUID | None:
        """Says nothing when there is a call: whoever waits to start it may lose it."""
        wish = AskForCall(
            room_name=self.room_name,
            character=self._character,
            language=self._wanted_language,
            credits_per_minute_max=self._price,
        )
        placed = await self.desk.place(entry_id, wish)
        if placed.call_id is None:
            await self.say(self._refusal(placed))
            return None
        return placed.call_id

    def _refusal(self, placed: PhoneCall) -> str:
        words = self._words
        refusals = {
            "no_credit": words.no_credit,
            "free_used": words.free_used,
            "busy": words.busy,
            "frozen": words.frozen,
            "no_capacity": words.no_capacity,
            "not_allowed": words.not_allowed,
        }
        return refusals.get(placed.outcome, words.trouble)

    async def ask(self, *question: Line) -> str | None:
        """The digits that answer; None when there were none, twice."""
        for _ in range(ASKED_MAX):
            first = await self.ask_once(*question, wait_s=self.patience.answer_s)
            if first is not None and first.isdigit():
                quiet_s = self.patience.key_s
                return await self.keypad.rest(first, count=CODE_DIGITS, quiet_s=quiet_s)
        return None

    async def ask_once(self, *question: Line, wait_s: float) -> str | None:
        """The first key, which cuts us short; None after `wait_s` of none."""
        self.keypad.forget()
        pressing = asyncio.create_task(self.keypad.key())
        speaking = asyncio.create_task(self.speaker.say(*question))
        try:
            await asyncio.wait({pressing, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                speaking.result()  # CannotSpeak is the caller's to hear of
                await asyncio.wait({pressing}, timeout=wait_s)
            return pressing.result() if pressing.done() else None
        finally:
            for task in (pressing, speaking):
                task.cancel()
            await asyncio.gather(pressing, speaking, return_exceptions=True)

    async def say(self, words: str, *, minutes: int = 0) -> None:
        """Raises CannotSpeak."""
        await self.speaker.say(self._line(words, minutes))

    def _line(self, words: str, minutes: int = 0) -> Line:
        filled = words.replace("{site}", self._site).replace("{price}", str(self._price))
        return Line(filled.replace("{minutes}", str(minutes)), self.language)

    async def _say_at_last(self, words: str) -> None:
        try:
            await self.speaker.open(self._line(words))
            await self.say(words)
        except CannotSpeak as problem:
            log.error("phone_without_voice", error=str(problem))  # noqa: TRY400 - nobody's text

    @property
    def _words(self) -> Words:
        return words_for(self.language)
