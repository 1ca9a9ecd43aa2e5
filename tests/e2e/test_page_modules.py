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


async def test_amounts_are_written_and_read_as_their_currency_has_them(page: Page) -> None:
    shown = await run(
        page,
        "shop.js",
        """return [
          [[500, 'usd'], [500, 'jpy'], [12345, 'kwd']].map((it) => m.priceWords(...it)),
          [[500, 'usd'], [750, 'usd'], [500, 'jpy']].map((it) => m.typed(...it)),
          [['5', 'usd'], [' 7,5 ', 'usd'], ['7.50', 'usd'], ['500', 'jpy'], ['1.234', 'kwd']]
            .map((it) => m.amountIn(...it)),
          [['', 'usd'], ['-5', 'usd'], ['5.001', 'usd'], ['5.0', 'jpy'], ['1e3', 'usd'],
           ['1,000.00', 'usd']].map((it) => m.amountIn(...it)),
        ];""",
    )
    assert shown == [
        ["$5.00", "\u00a5500", "KWD\u00a012.345"],
        ["5", "7.50", "500"],
        [500, 750, 750, 500, 1234],
        [None] * 6,
    ]


async def test_the_shop_shows_what_is_sold_in_one_currency(page: Page) -> None:
    rows, currencies, words = await run(
        page,
        "shop.js",
        """
        const row = {id: 'starter', name: 'Starter', credits: 12000, bonusCredits: 2000,
          promotion: 'May', amount: 500, currency: 'usd'};
        const rate = {currency: 'usd', amountMin: 500, amountMax: 50000, creditsPerUnit: 20};
        const answer = {packages: [{...row, currency: 'eur'}, row], amounts: [rate]};
        return [m.packageRows(answer, 'usd'), m.currenciesOf(answer),
          [null, 499, 500, 50001].map((amount) => m.amountWords(amount, rate))];
        """,
    )
    assert rows == [
        {
            "id": "starter",
            "name": "Starter",
            "credits": "12,000 credits",
            "price": "$5.00",
            "extra": "May: 2,000 credits of it free",
        }
    ]
    assert currencies == ["usd", "eur"]
    limits = "From $5.00 to $500.00."
    assert words == [limits, limits, "$5.00 buys 10,000 credits.", limits]


async def test_only_plans_that_are_for_sale_are_shown(page: Page) -> None:
    rows = await run(
        page,
        "shop.js",
        """
        const pro = {id: 'pro', name: 'Pro', isOffered: true, credits: 345000, amount: 7500,
          currency: 'usd', firstMonthPercentOff: 20};
        const free = {id: 'free', name: 'Free', isOffered: false, credits: null, amount: null};
        return m.planRows({data: [free, pro]}).map((row) => Object.values(row));
        """,
    )
    words = ["345,000 credits each month", "$75.00 a month", "first month 20% off"]
    assert rows == [["pro", "Pro", *words]]


async def test_only_web_pages_are_opened(page: Page) -> None:
    opened = await run(
        page,
        "shop.js",
        """
        const open = (url) => { try { return m.pageAddress(url); } catch { return null; } };
        return ['https://checkout.example/pay', 'javascript:alert(1)', 'data:text/html,x', '', null]
          .map(open);
        """,
    )
    assert opened == ["https://checkout.example/pay", None, None, None, None]
