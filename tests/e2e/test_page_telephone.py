"""Telephones and the PIN, on the call page: the real page, the real routes, and a real database."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from control_plane.store import phone
from shared.db import transaction
from tests.e2e import account_site
from tests.e2e.account_site import Site, running_site
from tests.e2e.browser import CallPage
from tests.web_process import Caller

browser = account_site.browser

OURS = "+49305550100"
THEIRS = "+49301234567"


@pytest_asyncio.fixture
async def site(db_dsn: str) -> AsyncIterator[Site]:
    async with running_site(db_dsn, phone_numbers=f"{OURS}, +1555") as running:
        yield running


async def looked(browser: Browser, site: Site, caller: Caller) -> CallPage:
    shown = await site.unfolded(browser, caller, "Call by telephone")
    await expect(shown.page.get_by_text(f"Our number: {OURS}, +1555")).to_be_visible()
    return shown


def rows(page: Page) -> Any:
    return page.get_by_role("list", name="Your telephones").get_by_role("listitem")


async def add(page: Page, number: str) -> None:
    await page.get_by_label("Your number, with its country code").fill(number)
    await page.get_by_role("button", name="Add this number").click()


async def test_a_number_is_added_verified_and_removed(browser: Browser, site: Site) -> None:
    ann = await site.web.account(paid=True)
    shown = await looked(browser, site, ann)
    page = shown.page
    await add(page, "+49 (30) 123-4567")
    said = page.get_by_text(re.compile(r"from \+49301234567 until .* and enter \d{4} \d{4}\. That"))
    await expect(said).to_be_visible()
    await expect(rows(page)).to_have_text([re.compile("Waits for its code")])
    code = "".join(re.findall(r"enter (\d{4}) (\d{4})", await said.inner_text())[0])
    async with transaction(site.web.app.state.services.pool) as tx:
        assert await phone.take_claim(tx, number=THEIRS, code=code, failures_max=5)

    await page.reload()
    await shown.wait_phase("idle")
    await page.get_by_text("Call by telephone", exact=True).click()
    await expect(rows(page)).to_have_text([re.compile("Yours. Calls from it ask for your PIN")])
    await add(page, THEIRS)
    await expect(page.get_by_text("This number is yours already.")).to_be_visible()
    await page.get_by_role("button", name=f"Remove {THEIRS}").click()
    await expect(page.get_by_text(f"{THEIRS} is removed.")).to_be_visible()
    await expect(rows(page)).to_have_count(0)
    assert (await ann.get("/api/phone-numbers")).json()["data"] == []
    assert shown.faults == []


async def test_a_pin_is_set_and_shown_nowhere(browser: Browser, site: Site) -> None:
    ann = await site.web.account(paid=True)
    shown = await looked(browser, site, ann)
    page = shown.page
    await expect(page.get_by_text("No PIN is set.")).to_be_visible()
    pin = page.get_by_label("PIN of six digits")
    await pin.fill("730164")
    await page.get_by_role("button", name="Set the PIN").click()
    await expect(page.get_by_text("A PIN is set.")).to_be_visible()
    await expect(pin).to_have_value("")
    assert "730164" not in await page.content()
    assert (await ann.get("/api/phone-numbers")).json()["pinIsSet"] is True
    assert shown.faults == []


async def test_what_the_service_refuses_is_told_in_words(browser: Browser, site: Site) -> None:
    ann = await site.web.account(paid=True)
    shown = await looked(browser, site, ann)
    page = shown.page
    problem = page.locator("#telephone-problem")
    await add(page, "12 34")
    await expect(problem).to_contain_text("with its country code")
    await page.get_by_label("PIN of six digits").fill("111111")
    await page.get_by_role("button", name="Set the PIN").click()
    await expect(problem).to_contain_text("not a row or one digit repeated")
    for last in range(6):
        await expect(page.get_by_role("button", name="Add this number")).to_be_enabled()
        await add(page, f"+4930123456{last}")
    await expect(problem).to_contain_text("You have five numbers")
    await expect(rows(page)).to_have_count(5)


async def test_without_a_number_of_ours_the_page_offers_no_telephone(
    browser: Browser, db_dsn: str
) -> None:
    async with running_site(db_dsn) as site:
        ann = await site.web.account(paid=True)
        shown = await site.unfolded(browser, ann, "Your calls")
        await expect(shown.page.locator("#telephone")).to_be_hidden()
