"""The pure modules of the page, run where they live: in the browser."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.e2e.browser import open_page, run_chromium
from tests.e2e.scripted_api import account, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page() -> AsyncIterator[Page]:
    async with serve_page(account()) as api, run_chromium(microphone=None) as browser:
        yield (await open_page(browser, api.base_url)).page


async def run(page: Page, module: str, script: str) -> Any:
    """`script` is the body of a function that gets the module as `m`."""
    return await page.evaluate(
        f"async () => {{ const m = await import('/assets/{module}'); {script} }}"
    )


async def test_the_meter_counts_only_while_it_runs_and_never_past_the_grant(page: Page) -> None:
    shown = await run(
        page,
        "meter.js",
        """
        const say = (state, seconds) => m.heard(m.NEW_METER,
          {state, seconds, granted_seconds: 65, final_unit: true}, 1000);
        return ['waiting', 'running', 'paused', 'ended'].map((state) =>
          [1000, 1999, 2000, 6000, 600000].map((now) => m.secondsAt(say(state, 60), now)));
        """,
    )
    assert shown == [
        [60, 60, 60, 60, 60],
        [60, 60, 61, 65, 65],
        [60, 60, 60, 60, 60],
        [60, 60, 60, 60, 60],
    ]


async def test_a_meter_message_without_sense_changes_nothing(page: Page) -> None:
    unchanged = await run(
        page,
        "meter.js",
        """
        const good = {state: 'running', seconds: 5, granted_seconds: 60, final_unit: false};
        const bad = [null, 'x', 7, {}, {...good, state: 'gone'}, {...good, seconds: -1},
          {...good, seconds: '5'}, {...good, seconds: 1e400}, {...good, granted_seconds: 1.5}];
        return bad.map((message) => m.heard(m.NEW_METER, message, 0) === m.NEW_METER);
        """,
    )
    assert unchanged == [True] * 9


async def test_an_ended_meter_stays_ended(page: Page) -> None:
    state = await run(
        page,
        "meter.js",
        """
        const say = (meter, state) => m.heard(meter,
          {state, seconds: 5, granted_seconds: 60, final_unit: false}, 0);
        return say(say(m.NEW_METER, 'ended'), 'running').state;
        """,
    )
    assert state == "ended"


async def test_times_and_credits_are_written_as_people_read_them(page: Page) -> None:
    shown = await run(
        page,
        "meter.js",
        """return [[0, 7, 60, 754, 3723].map(m.clockFace),
                   m.roundCredits(9617.9), m.exactCredits(383.333333), m.creditsFor(90, 1000)];""",
    )
    assert shown == [["0:00", "0:07", "1:00", "12:34", "1:02:03"], "9,617", "383.33", 1500]


async def test_a_late_interim_caption_does_not_replace_the_final_one(page: Page) -> None:
    lines = await run(
        page,
        "captions.js",
        """
        const captions = new m.Captions();
        const hear = (text, final) =>
          captions.hear({id: '1', speaker: 'you', text, final, fromStream: true});
        hear('I wo', false); hear('I would', true); hear('I wou', false);
        return captions.lines.map((line) => [line.text, line.final]);
        """,
    )
    assert lines == [["I would", True]]


async def test_captions_have_a_limit(page: Page) -> None:
    count, first = await run(
        page,
        "captions.js",
        """
        const captions = new m.Captions();
        for (let i = 0; i < 600; i += 1) {
          const line = {id: `${i}`, speaker: 'agent', text: `${i}`, final: true};
          captions.hear({...line, fromStream: true});
        }
        return [captions.lines.length, captions.lines[0].text];
        """,
    )
    assert (count, first) == (500, "100")
