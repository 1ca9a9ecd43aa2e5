"""Calls of before, on the call page: the real page, the real routes, and a real database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e import account_site
from tests.e2e.account_site import Site, running_site
from tests.e2e.test_page_modules import run
from tests.integration.after_call_rig import TURNS, ChatModel, a_call, worker
from tests.web_process import Media

browser = account_site.browser

PART = "Your calls"
EVIL = '<img src=x onerror="document.title=1">'


@pytest_asyncio.fixture
async def site(db_dsn: str, media: Media) -> AsyncIterator[Site]:
    async with running_site(db_dsn, media=media) as running:
        yield running


def rows(page: Page) -> Any:
    return page.get_by_role("list", name=PART).locator("> li")


async def test_a_call_is_found_with_its_title_its_price_and_its_words(
    browser: Browser, site: Site
) -> None:
    ann, bob = await site.web.account(paid=True), await site.web.account(paid=True)
    await a_call(ann)
    await a_call(bob, turns=[("user", "I am Bob.")])
    async with ChatModel().serving() as model, worker(site.web, model) as work:
        assert [await work.work_once() for _ in range(2)] == ["done"] * 2
    await a_call(ann, seconds=90, turns=[("user", EVIL)])
    shown = await site.unfolded(browser, ann, PART)
    page = shown.page
    await expect(page.get_by_text("2 calls.")).to_be_visible()
    await expect(rows(page)).to_have_count(2)
    await expect(rows(page).nth(0)).to_contain_text("Call with ")
    await expect(rows(page).nth(0)).to_contain_text("1:30 · ")
    noted = rows(page).nth(1)
    await expect(noted).to_contain_text("A sister in London")
    await expect(noted).to_contain_text("The caller told of a sister.")
    call = (await ann.get("/api/calls")).json()["data"][1]
    await expect(noted).to_contain_text(f"2:30 · {call['creditsUsed']:,} credits")

    await noted.get_by_role("button", name="Read what was said").click()
    said = noted.get_by_role("list", name="What was said").get_by_role("listitem")
    await expect(said).to_have_count(len(TURNS))
    await expect(said.nth(1)).to_have_text("You: My sister lives in London.")
    await rows(page).nth(0).get_by_role("button", name="Read what was said").click()
    await expect(rows(page).nth(0)).to_contain_text(EVIL)
    assert await page.title() == "sexycall"
    assert shown.faults == []


async def test_words_that_are_gone_are_said_to_be_and_trouble_is_told(
    browser: Browser, site: Site
) -> None:
    ann = await site.web.account(paid=True)
    await a_call(ann, turns=[])
    shown = await site.unfolded(browser, ann, PART)
    page = shown.page
    read = rows(page).get_by_role("button", name="Read what was said")
    await page.route("**/api/calls/*", lambda route: route.fulfill(status=503, body="{}"))
    await read.click()
    await expect(page.get_by_role("alert").filter(has_text="not ready")).to_be_visible()
    await page.unroute("**/api/calls/*")
    await read.click()
    await expect(rows(page)).to_contain_text("No words are kept of this call.")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.locator("#past-calls")).to_be_hidden()
    assert await page.locator("#past-calls li").count() == 0


async def test_older_calls_come_when_asked_for(browser: Browser, site: Site) -> None:
    ann = await site.web.account(paid=True, balance=50_000)
    for _ in range(21):
        await a_call(ann, seconds=60, turns=[])
    shown = await site.unfolded(browser, ann, PART)
    page = shown.page
    more = page.get_by_role("button", name="Show older calls")
    await expect(rows(page)).to_have_count(20)
    await more.click()
    await expect(rows(page)).to_have_count(21)
    await expect(more).to_be_hidden()
    assert shown.faults == []


async def test_who_never_called_reads_so(browser: Browser, site: Site) -> None:
    shown = await site.unfolded(browser, await site.web.account(paid=False), PART)
    await expect(shown.page.get_by_text("No calls yet.")).to_be_visible()


async def test_the_rows_say_what_a_call_was(browser: Browser, site: Site) -> None:
    shown = await site.unfolded(browser, await site.web.account(paid=False), PART)
    abouts = await run(
        shown.page,
        "past_calls.js",
        """
        const call = {id: 'c', status: 'completed', voice: 'Ara', title: null, highlights: [],
          createdAt: '2026-11-21T12:00:00Z', billedSeconds: 65, creditsUsed: 1234.5};
        return [call, {...call, creditsUsed: 0}, {...call, status: 'active'},
          {...call, status: 'expired', billedSeconds: 0, creditsUsed: 0}, {id: 'broken'}]
          .map((it) => m.pastCall(it).about.split(' · ').slice(it.createdAt ? 1 : 0).join(' · '));
        """,
    )
    assert abouts == [
        "1:05 · 1,234.5 credits",
        "1:05 · nothing charged",
        "goes on",
        "nobody talked",
        "nothing is known of it",
    ]
