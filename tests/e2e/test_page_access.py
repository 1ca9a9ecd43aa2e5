"""The page without a mouse, without eyes, and on a small screen."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.bare_agent import join_as_agent
from tests.e2e.browser import CallPage, open_call_page, open_page, run_chromium, write_beeps
from tests.e2e.media_server import MediaServer, run_media_server
from tests.e2e.scripted_api import Answer, account, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    wav = write_beeps(tmp_path_factory.mktemp("microphone") / "beeps.wav")
    async with run_chromium(microphone=wav) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MediaServer]:
    async with run_media_server(tmp_path_factory.mktemp("media")) as running:
        yield running


async def focused(page: CallPage) -> str:
    """What has the focus, as a person would name it."""
    named: str = await page.page.evaluate(
        "() => document.activeElement.id || document.activeElement.value"
    )
    return named


async def test_a_whole_call_needs_only_the_keyboard(chromium: Browser, media: MediaServer) -> None:
    async with serve_page(account(), livekit_url=media.url) as api:
        ticket = await media.ticket()
        api.answers["/api/call-token"] = Answer(ticket)
        page = await open_page(chromium, api.base_url)
        keyboard = page.page.keyboard
        await page.wait_phase("login")
        assert await focused(page) == "email"
        await keyboard.type("ann@example.org")
        await keyboard.press("Enter")
        await page.wait_phase("idle")
        order = []
        for _ in range(4):
            await keyboard.press("Tab")
            order.append(await focused(page))
        assert order == ["Ara", "language", "instructions", "dial"]
        await keyboard.press("Enter")
        await page.wait_phase("ringing")
        assert await focused(page) == "title"
        async with join_as_agent(media.url, media.key, media.secret, f"ro-{ticket['callId']}"):
            await page.wait_phase("talking")
            await keyboard.press("Tab")
            assert await focused(page) == "mute"
            await keyboard.press("Space")
            await page.see("You are muted")
            assert await page.page.locator("#mute").get_attribute("aria-pressed") == "true"
            await keyboard.press("Tab")
            assert await focused(page) == "end"
            await keyboard.press("Enter")
            await page.wait_phase("ended")
        assert await focused(page) == "title"


async def test_what_is_heard_by_a_screen_reader_has_names_and_live_regions(
    chromium: Browser,
) -> None:
    async with serve_page(account()) as api:
        page = await open_call_page(chromium, api.base_url, email="ann@example.org")
        unnamed = await page.page.evaluate(_UNNAMED)
        assert unnamed == []
        for region, value in (
            ('#status[role="status"]', 1),
            ('#problem[role="alert"]', 1),
            ('#captions-spoken[aria-live="polite"]', 1),
            ('#captions[role="log"]', 1),
        ):
            assert await page.page.locator(region).count() == value


_UNNAMED = """() => [...document.querySelectorAll('button, input, select, textarea')]
  .filter((element) => !(element.labels?.length || element.textContent.trim()))
  .map((element) => element.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_small_screen_shows_everything_without_scrolling_sideways(
    chromium: Browser, media: MediaServer, scheme: str
) -> None:
    async with serve_page(account(1_234_567), livekit_url=media.url) as api:
        ticket = await media.ticket()
        api.answers["/api/call-token"] = Answer(ticket)
        page = await open_call_page(
            chromium,
            api.base_url,
            email="ann@example.org",
            viewport={"width": 360, "height": 640},
            color_scheme=scheme,
        )
        assert await page.sideways() == 0
        await page.dial()
        async with join_as_agent(
            media.url, media.key, media.secret, f"ro-{ticket['callId']}"
        ) as agent:
            await page.wait_phase("talking")
            await agent.caption("W" * 400, identity="agent", segment="1")
            await agent.tell_notice("low_balance", "Less than a minute is left. " * 5)
            await page.see("WWW")
            assert await page.sideways() == 0
        assert await page.contrast_too_low() == []
