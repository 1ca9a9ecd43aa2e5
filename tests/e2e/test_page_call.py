"""A call on the page against a real media server, with a bare participant in the agent's place."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from livekit import rtc
from playwright.async_api import Browser

from tests.e2e.bare_agent import BareAgent, join_as_agent
from tests.e2e.browser import CallPage, Settlement, open_call_page, run_chromium, write_beeps
from tests.e2e.media_server import MediaServer, run_media_server
from tests.e2e.scripted_api import Answer, ScriptedApi, account, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    wav = write_beeps(tmp_path_factory.mktemp("microphone") / "beeps.wav")
    async with run_chromium(microphone=wav) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MediaServer]:
    async with run_media_server(tmp_path_factory.mktemp("media")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Line:
    """One call: the page, its scripted API and the room."""

    page: CallPage
    api: ScriptedApi
    media: MediaServer
    ticket: dict[str, Any]

    @property
    def room(self) -> str:
        return f"ro-{self.ticket['callId']}"

    def agent(self) -> AbstractAsyncContextManager[BareAgent]:
        return join_as_agent(self.media.url, self.media.key, self.media.secret, self.room)

    def settle(self, *, seconds: int, credits_used: float, left: float, reason: str) -> None:
        self.api.answers[f"/api/calls/{self.ticket['callId']}"] = Answer(
            {
                "status": "completed",
                "endReason": reason,
                "billedSeconds": seconds,
                "creditsUsed": credits_used,
            }
        )
        self.api.answers["/api/credits"].body = {
            "amount": left,
            "reserved": 0,
            "available": left,
            "debt": 0,
        }


@pytest_asyncio.fixture(loop_scope="module")
async def line(browser: Browser, media: MediaServer) -> AsyncIterator[Line]:
    """A page that is logged in and whose next call will be admitted."""
    async with serve_page(account(), livekit_url=media.url) as api:
        ticket = await media.ticket()
        api.answers["/api/call-token"] = Answer(ticket)
        api.answers[f"/api/calls/{ticket['callId']}"] = Answer({"status": "active"})
        page = await open_call_page(browser, api.base_url, email="ann@example.org")
        yield Line(page, api, media, ticket)
        await page.page.context.close()
        assert page.faults == []


async def until(condition: Any, *, timeout_s: float = 10) -> None:
    """Poll an async condition; fails when it stays false."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, "the page did not come to it in time"
        await asyncio.sleep(0.05)


async def test_a_call_is_heard_captioned_metered_muted_ended_and_settled(line: Line) -> None:
    page = line.page
    await page.dial("Eve")
    async with line.agent() as agent:
        # When the agent speaks and the meter starts
        await page.wait_phase("talking")
        await agent.tell_meter("running", 60, 600)
        await agent.caption("Hello, Eve here.", identity="agent", segment="1", pieces=3)
        await agent.caption("Hi", identity="human", segment="2", final=False)
        await agent.caption("Hi Eve, how are you?", identity="human", segment="2")
        # Then both sides hear each other, and the page shows it
        await page.wait_sound()
        await agent.wait_heard()
        await page.see("Eve is speaking")
        await page.see("Hi Eve, how are you?")
        assert await page.captions() == [
            ("agent", "Hello, Eve here."),
            ("you", "Hi Eve, how are you?"),
        ]
        await until(lambda: _reached(page, 62))
        used, left = await page.credits()
        assert (used, left) in [(1000 * s // 60, 10_000 - 1000 * s // 60) for s in (62, 63, 64)]
        # When the caller mutes, nothing is heard; unmuted, something again
        await page.toggle_mute()
        await page.see("You are muted")
        await until(lambda: _silence(agent))
        await page.toggle_mute()
        await agent.wait_heard()
        # When the caller hangs up, the settlement comes from the control plane
        line.settle(seconds=64, credits_used=1066.67, left=8933.33, reason="caller_hangup")
        await page.end()
        await page.wait_phase("ended")
    assert await page.settlement() == Settlement("1:04", "1,066.67", "8,933.33", "Settled.")
    assert await page.status() == "You ended the call."
    await page.see("8,933 credits")


async def _reached(page: CallPage, seconds: int) -> bool:
    return await page.seconds() >= seconds


async def _silence(agent: BareAgent) -> bool:
    """Half a second in which nothing of the caller arrives; a beep comes each second."""
    agent.loudest = 0
    await asyncio.sleep(0.7)
    return agent.loudest < 100


async def test_the_meter_stops_at_the_granted_second_and_stands_while_paused(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.tell_meter("running", 10, 12, final_unit=True)
        await page.see("0:02 left")
        await until(lambda: _reached(page, 12))
        await asyncio.sleep(1.2)
        assert await page.seconds() == 12
        await agent.tell_meter("paused", 7, 600)
        await page.see("0:07")
        await asyncio.sleep(1.2)
        assert await page.seconds() == 7


async def test_a_warning_and_a_top_up_are_shown(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.tell_notice("low_balance", "One minute of credit is left.", 60)
        await page.see("One minute of credit is left.")
        line.api.answers["/api/credits"].body = {
            "amount": 15_000,
            "reserved": 900,
            "available": 14_100,
            "debt": 0,
        }
        await agent.tell_notice("credit_added", "Thank you, the call goes on.")
        await page.see("Thank you, the call goes on.")
        await page.see("15,000")


async def test_a_voice_that_is_away_is_said_until_the_meter_runs_again(line: Line) -> None:
    page = line.page
    away = "The voice is gone for a moment. This time is free."
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.tell_meter("running", 5, 600)
        await agent.tell_meter("paused", 7, 600)
        await agent.tell_notice("provider_away", away)
        await page.see(away)
        toast = {"title": away, "variant": "warning"}
        assert await agent.call_page("pg.toast", toast) == {"shown": True}
        assert await page.page.get_by_text(away).count() == 1
        await agent.tell_meter("running", 7, 600)
        await until(lambda: _unseen(page, away))
        await page.see("is speaking")


async def _unseen(page: CallPage, words: str) -> bool:
    return await page.page.get_by_text(words).filter(visible=True).count() == 0


async def test_the_agents_goodbye_is_the_reason_shown(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.tell_meter("ended", 600, 600, final_unit=True)
        await agent.tell_notice("ended", "Your credit is used up.")
        await page.see("Your credit is used up.")
        line.settle(seconds=600, credits_used=10_000, left=0, reason="credit_exhausted")
        ending = {"error": "insufficient_credits", "message": "Your credit is used up."}
        assert await agent.call_page("pg.error", ending) == {"handled": True}
        await page.wait_phase("ended")
    assert await page.problem() == ""
    assert await page.status() == "Your credit is used up."
    assert await page.settlement() == Settlement("10:00", "10,000", "0", "Settled.")


async def test_nobody_picking_up_is_said_and_costs_nothing(line: Line) -> None:
    page = line.page
    line.settle(seconds=0, credits_used=0, left=10_000, reason="agent_never_joined")
    await page.dial()
    await page.wait_phase("ringing")
    began = time.monotonic()
    await page.see("No one has picked up yet, calling again")
    assert 4 < time.monotonic() - began < 8
    await page.wait_phase("ended")
    assert 10 < time.monotonic() - began < 15
    assert "Nothing was charged" in await page.problem()
    assert (await page.settlement()).words == "Nothing was charged."


async def test_a_lost_agent_is_said_and_waited_for(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.tell_meter("running", 5, 600)
    await page.see("The line to the other side broke")
    stood_at = await page.seconds()
    async with line.agent() as agent:
        await page.see("Ara is")
        assert await page.seconds() == stood_at
        await agent.tell_meter("running", 30, 600)
        await page.wait_sound()
    line.settle(seconds=30, credits_used=500, left=9_500, reason="agent_lost")
    await page.wait_phase("ended", timeout_s=15)
    assert "was lost and did not come back" in await page.problem()
    assert (await page.settlement()).talked == "0:30"


async def test_a_room_closed_by_the_service_ends_the_call_in_words(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent():
        await page.wait_phase("talking")
        await line.media.close_room(line.ticket["callId"])
        await page.wait_phase("ended")
    assert await page.problem() == "The call was ended by the other side."


async def test_the_agent_can_show_a_message_and_end_the_call_with_a_reason(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        toast = {"title": "Voice changed", "description": "<b>now</b>", "variant": "success"}
        assert await agent.call_page("pg.toast", toast) == {"shown": True}
        await page.see("<b>now</b>")
        answer = await agent.call_page("pg.error", {"error": "instructions_rejected"})
        assert answer == {"handled": True}
        await page.wait_phase("ended")
    assert "refused these instructions" in await page.problem()


async def test_edits_in_the_call_reach_the_agent_once_the_caller_stops_typing(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await page.page.locator("#settings summary").click()
        await page.page.get_by_label("Who should it be?").press_sequentially("!!!", delay=30)
        await page.see("Changed. You will hear it")
        await page.page.get_by_role("radio", name="Leo").check(force=True)
        await until(lambda: _updates(agent, 2))
        first, second = agent.updates
    assert first["voice"] == "Ara"
    assert first["instructions"].endswith("!!!")
    assert second["voice"] == "Leo"
    assert set(second) == {"instructions", "max_output_tokens", "model", "temperature", "voice"}


async def test_a_change_that_the_agent_can_not_make_is_said(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        agent.obeys = False
        await page.wait_phase("talking")
        await page.page.locator("#settings summary").click()
        await page.page.get_by_role("radio", name="Leo").check(force=True)
        await page.see("be changed during this call")
        await page.see("Ara is speaking")


async def _updates(agent: BareAgent, count: int) -> bool:
    return len(agent.updates) == count


async def test_words_sent_the_older_way_are_shown_until_streams_arrive(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.caption_as_packet("Old <i>way</i>", segment="p1")
        await page.see("Old <i>way</i>")
        assert await page.captions() == [("agent", "Old <i>way</i>")]
        await agent.caption("New way", identity="agent", segment="s1")
        await page.see("New way")
        await agent.caption_as_packet("New way", segment="p2")
        await agent.caption("Next", identity="agent", segment="s2")
        await page.see("Next")
        assert await page.captions() == [("agent", "New way"), ("agent", "Next")]


async def test_another_participant_is_not_believed(line: Line) -> None:
    page = line.page
    await page.dial()
    async with line.agent() as agent:
        await page.wait_phase("talking")
        await agent.tell_meter("running", 20, 600)
        await page.see("0:20")
        stranger = rtc.Room()
        await stranger.connect(line.media.url, line.media.guest_token(line.room))
        liar = BareAgent(stranger)
        await liar.tell_meter("ended", 599, 599)
        with pytest.raises(rtc.RpcError, match="Only the agent"):
            await liar.call_page("pg.error", {"error": "other", "message": "Send money"})
        await liar.tell_notice("ended", "Send money")
        await liar.tell_meter("ended", 599, 599)
        await liar.caption("Send money", identity="guest", segment="1")
        await agent.tell_notice("low_balance", "said after that")
        await page.see("said after that")
        await stranger.disconnect()
        assert await page.seconds() < 60
        assert await page.page.get_by_text("Send money").count() == 0
        await page.wait_phase("talking")


async def test_the_services_own_notices_are_believed(line: Line) -> None:
    page = line.page
    await page.dial()
    await page.wait_phase("ringing")
    await line.media.send_notice(line.ticket["callId"], "agent_late", "Not shown twice.")
    await page.see("No one has picked up yet, calling again")
    await line.media.send_notice(line.ticket["callId"], "agent_lost", "No agent came. Sorry.")
    await line.media.close_room(line.ticket["callId"])
    await page.wait_phase("ended")
    assert await page.problem() == "No agent came. Sorry."


async def test_a_media_server_that_dies_is_said_and_the_call_can_be_ended(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with (
        run_media_server(tmp_path_factory.mktemp("dying")) as media,
        serve_page(account(), livekit_url=media.url) as api,
    ):
        api.answers["/api/call-token"] = Answer(await media.ticket())
        page = await open_call_page(browser, api.base_url, email="ann@example.org")
        await page.dial()
        await page.wait_phase("ringing")
        media.stack.kill("livekit")
        await page.see("Your connection is interrupted")
        await page.end()
        await page.wait_phase("ended")
        await page.page.context.close()
