"""The question for a recording on the page: asked in words, answered, taken back."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from livekit import rtc
from playwright.async_api import Page, expect

from shared.call_protocol import TOPIC_NOTICE, Notice
from tests.e2e.bare_agent import BareAgent, join_as_agent
from tests.e2e.browser import open_call_page, run_chromium, write_beeps
from tests.e2e.media_server import run_media_server
from tests.e2e.scripted_api import Answer, ScriptedApi, account, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "Darf dieses Gespräch aufgezeichnet werden?"
WAIT_S = 10


@dataclass(slots=True)
class Agent:
    """Asks, and hears what the page decides."""

    bare: BareAgent
    decisions: list[bool] = field(default_factory=list)
    is_deaf: bool = False

    def listen(self) -> None:
        self.bare.room.local_participant.register_rpc_method("pg.recordingConsent", self._hear)

    async def _hear(self, invocation: rtc.RpcInvocationData) -> str:
        if self.is_deaf:
            raise rtc.RpcError(1500, "deaf")
        self.decisions.append(json.loads(invocation.payload)["consent"])
        return json.dumps({"accepted": True})

    async def tell(self, kind: str, message: str, *choices: str) -> None:
        notice = Notice.model_validate({"kind": kind, "message": message, "choices": list(choices)})
        await self.bare.send(TOPIC_NOTICE, notice.model_dump_json())

    async def heard(self, decisions: list[bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.decisions != decisions:
                await asyncio.sleep(0.02)


@dataclass(slots=True)
class Talk:
    """A page in a call with a bare agent; `api` is what the page asks."""

    page: Page
    agent: Agent
    api: ScriptedApi
    call_id: str


@pytest_asyncio.fixture(loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Talk]:
    wav = write_beeps(tmp_path_factory.mktemp("microphone") / "beeps.wav")
    async with (
        run_chromium(microphone=wav) as browser,
        run_media_server(tmp_path_factory.mktemp("media")) as media,
        serve_page(account(), livekit_url=media.url) as api,
    ):
        ticket = await media.ticket()
        api.answers["/api/call-token"] = Answer(ticket)
        api.answers[f"/api/calls/{ticket['callId']}"] = Answer({"status": "active"})
        shown = await open_call_page(browser, api.base_url, email="ann@example.org")
        await shown.dial()
        room = f"ro-{ticket['callId']}"
        async with join_as_agent(media.url, media.key, media.secret, room) as bare:
            agent = Agent(bare)
            agent.listen()
            await shown.wait_phase("talking")
            yield Talk(shown.page, agent, api, ticket["callId"])
        await shown.page.context.close()
        assert shown.faults == []


async def test_the_page_asks_in_the_words_of_the_call_and_can_take_a_yes_back(
    talking: Talk,
) -> None:
    page, agent = talking.page, talking.agent
    box = page.locator("#recording")
    await expect(box).to_be_hidden()
    await agent.tell("recording_question", QUESTION, "Ja", "Nein")
    await expect(page.get_by_text(QUESTION)).to_be_visible()
    await expect(box.get_by_role("button", name="Nein")).to_be_focused()
    await box.get_by_role("button", name="Ja").click()
    await agent.heard([True])
    await agent.tell("recording_on", "Wird aufgezeichnet.", "Beenden und löschen")
    await expect(page.get_by_text("Wird aufgezeichnet.")).to_be_visible()
    await expect(box.get_by_role("button")).to_have_count(1)
    await box.get_by_role("button", name="Beenden und löschen").click()
    await agent.heard([True, False])
    await agent.tell("recording_off", "Wird nicht aufgezeichnet.")
    await expect(box).to_be_hidden()

    agent.is_deaf = True
    await agent.tell("recording_question", QUESTION, "Ja", "Nein")
    await box.get_by_role("button", name="Nein").click()
    await expect(page.get_by_text("Your choice did not arrive.")).to_be_visible()
    await agent.tell("recording_on", "Without a way to stop it, this is no notice of ours.")
    await expect(box).to_be_hidden()

    await agent.tell("recording_question", QUESTION, "Ja", "Nein")
    await expect(box).to_be_visible()
    await page.get_by_role("button", name="End", exact=True).click()
    await expect(box).to_be_hidden()


async def test_after_the_call_its_recording_can_be_heard_and_deleted(talking: Talk) -> None:
    page, agent = talking.page, talking.agent
    path = f"/api/calls/{talking.call_id}/recording"
    talking.api.answers[path] = Answer({"url": "https://objects.example/tape.ogg", "deleted": 1})
    await agent.tell("recording_on", "Wird aufgezeichnet.", "Beenden und löschen")
    await expect(page.locator("#recording")).to_be_visible()
    await page.get_by_role("button", name="End", exact=True).click()
    link = page.get_by_role("link", name="Hear the recording")
    await expect(link).to_have_attribute("href", "https://objects.example/tape.ogg")
    await page.get_by_role("button", name="Delete the recording").click()
    await expect(page.get_by_text("The recording is deleted.")).to_be_visible()
    await expect(link).to_be_hidden()


async def test_after_a_call_without_a_recording_none_is_looked_for(talking: Talk) -> None:
    page = talking.page
    await talking.agent.tell("recording_on", "Wird aufgezeichnet.", "Beenden und löschen")
    await talking.agent.tell("recording_off", "Wird nicht aufgezeichnet.")
    await expect(page.locator("#recording")).to_be_hidden()
    await page.get_by_role("button", name="End", exact=True).click()
    await expect(page.locator("#settlement")).to_be_visible()
    await expect(page.locator("#recorded")).to_be_hidden()
