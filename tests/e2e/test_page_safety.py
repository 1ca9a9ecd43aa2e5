"""On the call page: the question for one's age, words like markup, and the way to help."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from local.stack import Stack
from shared.languages import LANGUAGES
from tests.e2e.browser import open_call_page, open_page, run_chromium, write_beeps
from tests.e2e.scripted_api import Answer, account, refusal, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
EVE: dict[str, Any] = {
    "id": "00000000-0000-4000-a000-000000000299",
    "name": "<b>Eve</b>",
    "localized_descriptions": {"en": MARKUP},
    "is_adult": True,
    "voices": {"name": "Eve", "sample_url": None},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    wav = write_beeps(tmp_path_factory.mktemp("microphone") / "beeps.wav")
    async with run_chromium(microphone=wav) as running:
        yield running


async def test_what_people_write_is_shown_as_words(chromium: Browser) -> None:
    answers = {**account(), "/api/characters": Answer({"data": [EVE]})}
    async with serve_page(answers) as api:
        shown = await open_call_page(chromium, api.base_url, email="ann@example.org")
        await shown.page.get_by_label("Character").select_option("<b>Eve</b> (18+)")
        await expect(shown.page.get_by_text(MARKUP)).to_be_visible()
        await expect(shown.page.get_by_role("button", name="Call <b>Eve</b>")).to_be_visible()
        assert await shown.page.locator("main img").count() == 0
        assert await shown.page.title() == "sexycall"
        assert shown.faults == []


async def test_who_has_not_said_their_age_is_asked_and_can_call_then(chromium: Browser) -> None:
    needed = refusal(
        403, "Please confirm first that you are an adult", code="age_confirmation_required"
    )
    answers = {
        **account(),
        "/api/characters": Answer({"data": [EVE]}),
        "/api/call-token": needed,
        "/api/age": Answer({"isAdult": True, "isNeeded": False}),
    }
    async with serve_page(answers) as api:
        shown = await open_call_page(chromium, api.base_url, email="ann@example.org")
        page = shown.page
        question = page.get_by_role("region", name="Are you 18 or older?")
        await page.get_by_label("Character").select_option(EVE["id"])
        await expect(question).to_be_hidden()
        await page.get_by_role("button", name="Call").click()
        await expect(question).to_be_focused()

        api.answers["/api/age"] = refusal(403, "Please ask our support to change your age")
        await page.get_by_role("button", name="I am 18 or older").click()
        await expect(page.get_by_text("Please ask our support")).to_be_visible()

        api.answers["/api/age"] = Answer({"isAdult": False, "isNeeded": False})
        api.answers["/api/characters"] = Answer({"data": []})
        await page.get_by_role("button", name="I am younger").click()
        await expect(question).to_be_hidden()
        await expect(page.get_by_label("Character")).to_be_hidden()
        assert api.sent_to("/api/age") == [{"isAdult": True}, {"isAdult": False}]
        assert await shown.problem() == ""


async def test_help_is_one_press_away(chromium: Browser) -> None:
    async with serve_page(account()) as api:
        shown = await open_page(chromium, api.base_url)
        link = shown.page.get_by_role("link", name="In a crisis? Here is help")
        await expect(link).to_be_visible()  # before a log-in
        assert await link.get_attribute("href") == "/help"
        assert await link.get_attribute("target") == "_blank"  # a running call goes on


@pytest.mark.parametrize("language", ["de", "ar", "ja"])
async def test_the_help_page_fits_a_telephone(
    chromium: Browser, rough_stack: Stack, language: str, tmp_path: Path
) -> None:
    shown = await open_page(
        chromium,
        rough_stack.control_plane_url,
        path=f"/help?language={language}&country=FR",
        viewport={"width": 320, "height": 700},
        color_scheme="dark" if language == "ar" else "light",
    )
    page = shown.page
    await page.screenshot(path=tmp_path / f"help-{language}.png", full_page=True)
    assert await shown.sideways() == 0
    assert await shown.contrast_too_low() == []
    number = page.get_by_role("link", name="3114", exact=True)
    assert await number.get_attribute("href") == "tel:3114"
    box = await number.bounding_box()
    assert box
    assert box["height"] >= 36, "too small for a thumb"
    assert await page.locator("nav a[aria-current]").get_attribute("hreflang") == language
    assert await page.locator("nav a").count() == len(LANGUAGES)
    assert shown.faults == []
