"""On the call page: who can be called, that it is an AI, where to report a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.e2e.browser import open_call_page, run_chromium, write_beeps
from tests.e2e.scripted_api import Answer, account, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")

LILY: dict[str, Any] = {
    "id": "00000000-0000-4000-a000-000000000202",
    "name": "Lily",
    "localized_descriptions": {"en": "She keeps a flower shop."},
    "voices": {"name": "Eve", "sample_url": None},
}
DISCLOSURE = "You are talking to an AI, not to a person."


@asynccontextmanager
async def line_that_never_connects() -> AsyncIterator[str]:
    """A server that takes a connection and says nothing: a call that stays at `connecting`."""

    async def keep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def ticket(url: str) -> Answer:
    return Answer(
        {
            "accessToken": "x",
            "url": url,
            "callId": "c-1",
            "creditsPerMinute": 1000,
            "maxSeconds": 60,
            "disclosure": DISCLOSURE,
        }
    )


async def test_a_character_is_called_the_disclosure_read_and_the_call_reported(
    tmp_path: Path,
) -> None:
    wav = write_beeps(tmp_path / "beeps.wav")
    async with line_that_never_connects() as url, run_chromium(microphone=wav) as browser:
        answers = {
            **account(),
            "/api/characters": Answer({"data": [LILY]}),
            "/api/call-token": ticket(url),
            "/api/calls/c-1": Answer(
                {"status": "completed", "endReason": "caller_hangup", "billedSeconds": 0}
            ),
            "/api/reports": Answer({"id": "r-1"}, 201),
        }
        async with serve_page(answers, livekit_url=url) as api:
            shown = await open_call_page(browser, api.base_url, email="ann@example.org")
            page = shown.page
            await page.get_by_label("Character").select_option("Lily")
            await expect(page.get_by_text("She keeps a flower shop.")).to_be_visible()
            await expect(page.get_by_label("Who should it be?")).to_be_hidden()
            await expect(page.get_by_role("radio", name="Eve")).to_be_checked()
            await expect(page.get_by_text(DISCLOSURE)).to_be_hidden()

            await page.get_by_role("button", name="Call Lily").click()
            await expect(page.get_by_text(DISCLOSURE)).to_be_visible()
            (asked,) = api.sent_to("/api/call-token")
            assert (asked["selectedPresetId"], asked["instructions"]) == (LILY["id"], "")

            await page.get_by_role("button", name="Cancel").click()
            await page.get_by_text("Report this call").click()
            await page.get_by_label("What was wrong?").select_option("unsafe")
            await page.get_by_label("In your words").fill("She scared me.")
            await page.get_by_role("button", name="Send report").click()
            await expect(page.get_by_text("Somebody will look at it.")).to_be_visible()
            assert api.sent_to("/api/reports") == [
                {"callId": "c-1", "category": "unsafe", "words": "She scared me."}
            ]
