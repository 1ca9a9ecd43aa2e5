"""Whatever goes wrong before or around a call is said in words, and the page stays usable."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.browser import CallPage, open_call_page, open_page, run_chromium, write_beeps
from tests.e2e.scripted_api import NOWHERE, ROOT, Answer, ScriptedApi, account, refusal, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")

TICKET = {
    "accessToken": "not.a.token",
    "url": NOWHERE,
    "callId": "01a1fd5e-0000-7000-8000-000000000000",
    "expiresAt": "2099-01-01T00:00:00Z",
    "creditsPerMinute": 1000,
    "maxSeconds": 600,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    wav = write_beeps(tmp_path_factory.mktemp("microphone") / "beeps.wav")
    async with run_chromium(microphone=wav) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def api() -> AsyncIterator[ScriptedApi]:
    async with serve_page(account()) as serving:
        yield serving


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, api: ScriptedApi) -> AsyncIterator[CallPage]:
    """Logged in; no script failed by the end of the test."""
    shown = await open_call_page(browser, api.base_url, email="ann@example.org")
    yield shown
    await shown.page.context.close()
    assert shown.faults == []


async def assert_can_dial(page: CallPage) -> None:
    await page.wait_phase("idle")
    assert await page.page.locator("#dial").is_enabled()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(402, "Insufficient credits"), "Your credit is too low"),
        (refusal(403, "Free users are limited to 5 minutes."), "Free users are limited to 5"),
        (refusal(409, "You already have a call", code="active_call"), "maybe in another tab"),
        (refusal(400, "Instructions are too long"), "Instructions are too long"),
        (refusal(429, "Too many requests"), "too often"),
        (refusal(500, "Error generating token"), "Something failed on our side"),
        (Answer("<html>bad gateway</html>", 502), "Something failed on our side"),
        (refusal(404, "<img src=x onerror=alert(1)> gone"), "<img src=x onerror=alert(1)> gone"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
async def test_a_refused_call_is_explained(
    page: CallPage, api: ScriptedApi, answer: Answer, words: str
) -> None:
    api.answers["/api/call-token"] = answer
    await page.dial()
    await page.see(words)
    assert words in await page.problem()
    assert await page.page.locator("#problem img").count() == 0
    await assert_can_dial(page)


async def test_without_capacity_the_page_counts_down_and_then_allows_another_try(
    page: CallPage, api: ScriptedApi
) -> None:
    api.answers["/api/call-token"] = refusal(
        503, "All agents are busy", retryAfter=2, code="no_capacity"
    )
    await page.dial()
    await page.see("All lines are busy.")
    await page.see("You can call again in")
    assert await page.page.locator("#dial").is_disabled()
    await page.see("You can call again now.")
    await page.dial()
    await page.see("You can call again in")
    assert len(api.sent_to("/api/call-token")) == 2


async def test_an_ended_session_leads_back_to_the_log_in(page: CallPage, api: ScriptedApi) -> None:
    api.answers["/api/call-token"] = refusal(401, "User not found")
    await page.dial()
    await page.wait_phase("login")
    assert "Please log in" in await page.problem()
    assert await page.page.evaluate("sessionStorage.length") == 0
    await page.log_in("ann@example.org")
    await assert_can_dial(page)
    assert await page.problem() == ""


async def test_a_blocked_microphone_is_said_before_any_credit_is_held(
    browser: Browser, api: ScriptedApi
) -> None:
    page = await open_call_page(
        browser, api.base_url, email="ann@example.org", microphone_allowed=False
    )
    await page.dial()
    await page.see("Your microphone is blocked")
    await assert_can_dial(page)
    assert api.sent_to("/api/call-token") == []
    await page.page.context.close()


async def test_a_machine_without_a_microphone_is_told_so(api: ScriptedApi) -> None:
    async with run_chromium(microphone=None) as deaf:
        page = await open_call_page(deaf, api.base_url, email="ann@example.org")
        await page.dial()
        await page.see("No microphone was found")
        await assert_can_dial(page)
    assert api.sent_to("/api/call-token") == []


async def test_a_network_that_is_gone_is_said(page: CallPage) -> None:
    await page.page.context.set_offline(True)
    await page.dial()
    await page.see("Check your connection")
    await assert_can_dial(page)


async def test_a_media_server_out_of_reach_ends_in_words_and_costs_nothing(
    page: CallPage, api: ScriptedApi
) -> None:
    api.answers["/api/call-token"] = Answer(TICKET)
    api.answers[f"/api/calls/{TICKET['callId']}"] = Answer(
        {
            "status": "disconnected",
            "endReason": "caller_never_joined",
            "billedSeconds": 0,
            "creditsUsed": 0,
        }
    )
    await page.dial()
    await page.wait_phase("ended", timeout_s=40)
    assert "could not be connected" in await page.problem()
    assert (await page.settlement()).words == "Nothing was charged."
    await page.page.get_by_role("button", name="Change voice or instructions").click()
    await assert_can_dial(page)


async def test_a_settlement_that_does_not_come_leaves_nobody_waiting(
    page: CallPage, api: ScriptedApi
) -> None:
    api.answers["/api/call-token"] = Answer(TICKET)
    api.answers[f"/api/calls/{TICKET['callId']}"] = Answer({"status": "active"})
    await page.dial()
    await page.wait_phase("ended", timeout_s=40)
    settlement = await page.settlement(timeout_s=15)
    assert "The settlement is not there yet" in settlement.words
    await page.see("Call again")


async def test_a_call_can_be_given_up_while_it_is_being_set_up(
    page: CallPage, api: ScriptedApi
) -> None:
    api.answers["/api/call-token"] = Answer(TICKET, delay_s=5)
    await page.dial()
    await page.wait_phase("asking")
    await page.page.get_by_role("button", name="Cancel").click()
    await assert_can_dial(page)
    assert await page.problem() == ""


async def test_a_refused_log_in_is_explained_and_can_be_repeated(
    browser: Browser, api: ScriptedApi
) -> None:
    works = api.answers["/dev/session"]
    api.answers["/dev/session"] = refusal(400, "That is no e-mail address")
    page = await open_page(browser, api.base_url)
    await page.log_in("ann@example.org")
    await page.see("That is no e-mail address")
    api.answers["/dev/session"] = works
    await page.log_in("ann@example.org")
    await assert_can_dial(page)
    await page.page.context.close()


async def test_a_page_whose_parts_do_not_load_says_so(browser: Browser, api: ScriptedApi) -> None:
    context = await browser.new_context(base_url=api.base_url)
    await context.route("**/vendor/*", lambda route: route.abort())
    page = CallPage(await context.new_page())
    await page.page.goto("/")
    await page.see("A part of this page could not be loaded")
    await context.close()


async def test_without_livekit_client_the_server_says_what_to_do(
    browser: Browser, tmp_path: Path
) -> None:
    web = tmp_path / "web"
    shutil.copytree(
        ROOT / "web", web, ignore=shutil.ignore_patterns("vendor", "node_modules", ".npmrc")
    )
    async with serve_page(account(), web_root=web) as api:
        context = await browser.new_context(base_url=api.base_url)
        page = CallPage(await context.new_page())
        await page.page.goto("/")
        await page.see("The call page is not complete yet")
        await page.see("python -m local.web_assets")
        await context.close()
