"""
A telephone in a test: a real LiveKit participant of kind SIP, as livekit-sip bridges one.

Its room is made as the dispatch rule would make it, its token says what the SIP service would say,
it rings until it hears a track and is answered then, its microphone has 8 kHz, its keys are DTMF.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from livekit import api, rtc

from control_plane.phone.provisioning import wanted_rule
from control_plane.phone.trunk_file import Rule, Trunk, TrunkFile
from local.caller import SimulatedCaller
from local.ear import Ear
from local.hearing import Hearing
from local.microphone import Microphone, spoken
from local.stack import Stack
from local.telephone import by_telephone
from shared.call_protocol import TRACK_VOICE
from shared.clock import SystemClock
from shared.phone_protocol import PHONE_ROOM_PREFIX
from tests.e2e.customer import signed_in
from tests.e2e.handset import Handset, joined, media_api

OURS = "+49305550100"
PIN = "274915"
SAID_MAX = 4  # the local ear understands 23 of 29 sentences at 8 kHz
SETTLED_WITHIN_S = 15
IDENTITY_CHARS_MAX = 200  # livekit-server lets nobody in with a longer one
DTMF = {**{str(n): n for n in range(10)}, "*": 10, "#": 11}
RULE = wanted_rule(
    TrunkFile(
        trunk=Trunk(
            name="t",
            numbers=[OURS],
            allowed_addresses=["192.0.2.1"],
            ringing_timeout_s=30,
            max_call_s=600,
        ),
        rule=Rule(name="r"),
    ),
    trunk_id="ST_test",
)


def a_number() -> str:
    return f"+4915{secrets.randbelow(10**9):09d}"


@dataclass(slots=True)
class Telephone:
    """
    A call from `number`; `line` hears all, `voice` the character alone: that is what is paid for.
    """

    line: Handset
    microphone: Microphone
    number: str
    room_name: str
    voice: Hearing
    track_names: list[str]

    @property
    def talked_s(self) -> float:
        """The caller's own stopwatch, until now."""
        assert self.voice.first_s is not None, "the character has not spoken"
        return time.monotonic() - self.voice.first_s

    async def press(self, keys: str) -> None:
        for key in keys:
            await self.line.room.local_participant.publish_dtmf(code=DTMF[key], digit=key)

    async def heard_desk(self) -> None:
        """The reception has begun to speak, so it also listens."""
        await self.line.until(lambda: self.line.hearing.first_s is not None, "the reception")

    async def heard_more(self, seconds: float) -> None:
        """Somebody has gone on speaking for so long."""
        before_s = self.line.hearing.total_s
        await self.line.until(lambda: self.line.hearing.total_s > before_s + seconds, "more words")

    async def answer_with(self, keys: str) -> None:
        """Hear a question to its end."""
        await self.heard_more(0.4)
        await self.line.until(self.line._is_quiet, "the end of the question", timeout_s=60)
        await self.press(keys)

    async def enter(self, keys: str = f"{PIN}#") -> None:
        await self.heard_desk()
        await self.press(keys)

    async def say(self, words: str) -> None:
        await self.microphone.say(by_telephone(spoken(words)))

    async def answered(self, *, timeout_s: float = 20) -> None:
        """The character greets: from here on it costs."""
        await self.line.until(
            lambda: self.voice.first_s is not None, "the call", timeout_s=timeout_s
        )

    async def hear(self, answer: str, *, to: str) -> None:
        """As `Handset.hear`, through a telephone line."""
        for _ in range(SAID_MAX):
            await self.line.until(self.line._is_quiet, "a pause to speak in", timeout_s=20)
            since = len(self.line.agent_said)
            await self.say(to)
            if await self.line._is_answered(answer, since=since):
                return
        raise AssertionError(f"{answer!r} was not the answer to {to!r}: {self.line.agent_said}")

    async def hung_up(self, *, timeout_s: float = 40) -> None:
        await self.line.until(
            lambda: self.line.left_at_s is not None, "the hang-up", timeout_s=timeout_s
        )


@asynccontextmanager
async def ringing(stack: Stack, number: str, *, is_taken: bool = True) -> AsyncIterator[Telephone]:
    """
    Somebody calls us from `number` and stays until the block ends or we hang up.

    `is_taken=False`: a trunk that rings on, whatever we publish.
    """
    room_name = await a_line(stack)
    token = sip_token(stack, room_name, number)
    url = stack.env["LIVEKIT_URL"]
    async with bridged(url, token, number, room_name, is_taken=is_taken) as phone:
        yield phone


@asynccontextmanager
async def bridged(
    url: str, token: str, number: str = "", room_name: str = "", *, is_taken: bool = True
) -> AsyncIterator[Telephone]:
    """What livekit-sip does with a call: join, publish, ring until a track is heard, answer."""
    microphone, voice = Microphone(), Hearing()
    ear = Ear(voice, clock=SystemClock())
    answering: list[asyncio.Task[None]] = []
    names: list[str] = []
    async with joined(url, token) as line:

        def on_track(track: rtc.Track, publication: rtc.TrackPublication, _who: object) -> None:
            names.append(publication.name)
            if publication.name == TRACK_VOICE:
                ear.listen(track)
            if is_taken and not answering:
                answering.append(asyncio.create_task(_answer(line.room)))

        line.room.on("track_subscribed", on_track)
        await microphone.publish(line.room)
        try:
            yield Telephone(line, microphone, number, room_name, voice, names)
        finally:
            await asyncio.gather(*answering, return_exceptions=True)
            await ear.close()
            await microphone.close()


async def _answer(room: rtc.Room) -> None:
    await room.local_participant.set_attributes({"sip.callStatus": "active"})


async def a_line(stack: Stack) -> str:
    """The room of a call that rings, made and dispatched as the rule says."""
    room_name = f"{PHONE_ROOM_PREFIX}_{OURS}_{secrets.token_hex(6)}"
    async with media_api(stack) as media:
        config = RULE.room_config
        await media.room.create_room(
            api.CreateRoomRequest(
                name=room_name,
                empty_timeout=config.empty_timeout,
                departure_timeout=config.departure_timeout,
                max_participants=config.max_participants,
                agents=list(config.agents),
            )
        )
    return room_name


def sip_token(stack: Stack, room_name: str, number: str) -> str:
    """As `BuildSIPToken` of LiveKit's own protocol package makes it, for a call that rings."""
    attributes = {
        "sip.callID": f"SCL_{secrets.token_hex(6)}",
        "sip.phoneNumber": number,
        "sip.trunkPhoneNumber": OURS,
        "sip.callStatus": "ringing",
        "sip.trunkID": "ST_test",
        "sip.ruleID": "SDR_test",
    }
    token = api.AccessToken(stack.env["LIVEKIT_API_KEY"], stack.env["LIVEKIT_API_SECRET"])
    grants = api.VideoGrants(
        room_join=True,
        room=room_name,
        can_publish=True,
        can_subscribe=True,
        can_publish_data=True,
        can_update_own_metadata=True,
    )
    token = token.with_identity(f"sip_{number}"[:IDENTITY_CHARS_MAX])
    token = token.with_name(f"Phone {number}"[:IDENTITY_CHARS_MAX])
    return token.with_kind("sip").with_attributes(attributes).with_grants(grants).to_jwt()


async def phone_owner(stack: Stack, *numbers: str) -> SimulatedCaller:
    """An account with these telephones, proven as the agent proves them, and PIN as its PIN."""
    owner = await signed_in(stack)
    for number in numbers:
        code = (await owner.api.request("POST", "/api/phone-numbers", {"number": number}))["code"]
        verdict = await as_agent(stack, "/phone/digits", number, digits=code)
        assert verdict["outcome"] == "verified"
    await set_pin(owner, PIN)
    return owner


async def set_pin(owner: SimulatedCaller, pin: str) -> None:
    await owner.api.request("PUT", "/api/phone-pin", {"pin": pin})


async def as_agent(stack: Stack, path: str, number: str, **body: Any) -> dict[str, Any]:
    """A question of the reception."""
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
        answer = await http.post(
            f"{stack.control_plane_url}/internal/v1{path}",
            json={"from_number": number, "to_number": OURS, **body},
            headers={"Authorization": f"Bearer {stack.env['INTERNAL_TOKEN']}"},
        )
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def calls_of(owner: SimulatedCaller) -> list[dict[str, Any]]:
    """Newest first."""
    data: list[dict[str, Any]] = (await owner.api.request("GET", "/api/calls"))["data"]
    return data


async def the_call(owner: SimulatedCaller, *, within_s: float = SETTLED_WITHIN_S) -> dict[str, Any]:
    """The account's only call, once it is closed."""
    deadline = time.monotonic() + within_s
    while True:
        calls = await calls_of(owner)
        if calls and calls[0]["endedAt"]:
            assert len(calls) == 1
            return calls[0]
        assert time.monotonic() < deadline, calls
        await asyncio.sleep(0.1)


async def rooms_of(stack: Stack) -> set[str]:
    """What the media server has; a room that is gone has hung up on its trunk."""
    async with media_api(stack) as media:
        listed = await media.room.list_rooms(api.ListRoomsRequest())
    return {room.name for room in listed.rooms}
