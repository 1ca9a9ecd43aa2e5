"""Buying credit: the whole system, Chromium on the call page, and the fake Stripe."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from billing import plans
from local.caller import SimulatedCaller, new_email
from local.stack import Stack
from tests.e2e.browser import (
    PAGE_LIMIT_MS,
    CallPage,
    open_call_page,
    run_chromium,
    write_beeps,
)
from tests.e2e.customer import public_text, signed_in
from tests.e2e.ledger import connect, leave_only, settled_exactly, violations
from tests.e2e.scripted_api import account, serve_page
from tests.e2e.talk import lasting, talk
from tests.fakes.stripe_server import FakeStripe, running_stripe
from tests.integration.till_rig import till_settings
from tests.stack import clean_environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEBHOOK = "/api/stripe/webhook"
SETTINGS = {
    "LOCAL_REAL_TILL": "1",
    "ANONYMOUS_REQUESTS_PER_MINUTE": "1000",  # all buyers here have one address
    "CALL_MIN_CREDITS": "10",
    "AGENT_PROCESSES": "1",
}
CREDITS, SECONDS = 420, 25  # of a call
PACKAGE = 10_000  # credits for 5 dollars
CREDIT = 1_000_000  # micro-credits


@dataclass(frozen=True, slots=True)
class Market:
    """The whole system with a till, and a browser."""

    stack: Stack
    stripe: FakeStripe
    browser: Browser

    async def buyer(self, **options: object) -> CallPage:
        """Somebody new, who looks at what is sold."""
        url = self.stack.control_plane_url
        page = await open_call_page(self.browser, url, email=new_email(), **options)
        await look(page)
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    folder = tmp_path_factory.mktemp("market")
    microphone = write_beeps(folder / "beeps.wav")
    async with running_stripe() as stripe, run_chromium(microphone=microphone) as browser:
        till = {name.upper(): value for name, value in till_settings(stripe).items()}
        async with Stack.start(
            data_dir=folder / "stack",
            environment={**clean_environment(), **SETTINGS, **till},
            durable=False,
        ) as stack:
            stripe.webhooks.to_url(f"{stack.control_plane_url}{WEBHOOK}")
            yield Market(stack, stripe, browser)
            await stripe.webhooks.settled()
            assert await violations(stack) == []


async def look(page: CallPage) -> None:
    """Unfold the shop."""
    await page.page.get_by_text("Add credit").click()
    await page.page.get_by_role("list", name="Packages").wait_for()


async def choose(page: CallPage, name: str) -> None:
    """Press what is sold, and be on the payment page."""
    await page.page.get_by_role("button", name=name).click()
    await page.page.wait_for_selector("#pay")


async def return_home(page: Page) -> None:
    await page.get_by_role("link", name="Back to the call page").click()
    await page.wait_for_selector('body[data-phase="idle"]')


async def test_a_package_is_bought_and_spendable_on_return(market: Market) -> None:
    page = await market.buyer()
    await page.see("10,000 credits")
    await choose(page, "Standard")
    await page.page.locator("#pay").click()
    await page.see("25,000 credits were added to your balance.")
    await return_home(page.page)
    await page.see("35,000 credits")
    assert page.faults == []


async def test_an_amount_of_ones_own_is_bought(market: Market) -> None:
    page = await market.buyer()
    field = page.page.get_by_label("Another amount (USD)")
    await field.fill("4.99")
    await page.page.get_by_role("button", name="Pay").click()
    await page.see("be paid.")
    await page.see("From $5.00 to $500.00.")
    await field.fill("7,50")
    await page.see("$7.50 buys 15,000 credits.")
    await field.press("Enter")
    await page.page.locator("#pay").click()
    await page.see("15,000 credits were added")
    await return_home(page.page)
    await page.see("25,000 credits")


async def test_who_walks_away_pays_nothing(market: Market) -> None:
    page = await market.buyer()
    await choose(page, "Starter")
    await page.page.locator("#cancel").click()
    await page.see("Nothing was paid")
    await return_home(page.page)
    await page.see("10,000 credits")


async def test_the_browsers_back_button_leads_to_a_shop_that_works(market: Market) -> None:
    page = await market.buyer()
    await choose(page, "Starter")
    await page.page.go_back()
    await page.wait_phase("idle")
    if not await page.page.get_by_role("list", name="Packages").is_visible():
        await look(page)  # the browser kept no copy of the page
    await choose(page, "Pro")


async def test_a_declined_card_can_be_replaced_on_the_same_page(market: Market) -> None:
    page = await market.buyer()
    await choose(page, "Starter")
    payment_page = page.page.url
    await page.page.goto(f"{payment_page}?card=declined")
    await page.page.locator("#pay").click()
    await page.see("Your card was declined.")
    await page.page.goto(payment_page)
    await page.page.locator("#pay").click()
    await page.see("10,000 credits were added")
    await return_home(page.page)
    await page.see("20,000 credits")


async def test_a_second_tab_shows_what_the_first_one_bought(market: Market) -> None:
    page = await market.buyer()
    token = await page.page.evaluate("sessionStorage.getItem('sexycall.session')")
    other = await page.page.context.new_page()
    other.set_default_timeout(PAGE_LIMIT_MS)
    await other.goto(f"{market.stack.control_plane_url}/#token={token}")
    second = CallPage(other)
    await second.wait_phase("idle")
    await look(second)
    await choose(second, "Starter")
    await choose(page, "Standard")
    for tab in (page, second):
        await tab.page.locator("#pay").click()
        await tab.see("credits were added")
        await return_home(tab.page)
    await second.see("45,000 credits")
    await page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.see("45,000 credits")


async def test_a_plan_is_subscribed_to(market: Market) -> None:
    price = market.stripe.desk.price(1_000, every="month")
    db = await connect(market.stack)
    async with db.transaction():
        await plans.edit(db, "standard", {"stripe_price": price})
    page = await market.buyer()
    await page.page.get_by_role("list", name="Every month").get_by_role("button").click()
    await page.page.locator("#pay").click()
    await page.see("Your plan is being set up.")
    await return_home(page.page)
    await page.see("38,750 credits")
    await look(page)
    await page.see("Your plan is Standard.")
    await page.page.get_by_role("button", name="Change or cancel the plan").click()
    await page.page.wait_for_url(f"{market.stripe.url}/portal/*")
    await plans.withdraw(db, "standard")
    await db.close()


async def test_topping_up_by_itself_is_agreed_on_and_taken_back(market: Market) -> None:
    page = await market.buyer()
    await page.see("Off. Nothing is paid without you.")
    switch = page.page.get_by_role("switch", name="Top up by itself")
    await switch.check()
    await page.page.get_by_label("At most a month").fill("20")
    await page.page.get_by_role("button", name="Save").click()
    await page.see("It uses the card that you keep")
    await page.page.reload()
    await page.wait_phase("idle")
    await look(page)
    assert await switch.is_checked()
    assert await page.page.get_by_label("At most a month").input_value() == "20"
    await switch.uncheck()
    await page.page.get_by_role("button", name="Save").click()
    await page.see("Off. Nothing is paid without you.")


async def test_credit_bought_in_another_tab_goes_into_the_running_call(market: Market) -> None:
    url = market.stack.control_plane_url
    page = await open_call_page(market.browser, url, email=new_email())
    await page.dial()
    await page.wait_phase("talking")
    await look(page)
    await page.page.get_by_role("button", name="Starter").click()
    async with page.page.context.expect_page() as opened:
        await page.page.get_by_role("link", name="Open the payment page in a new tab").click()
    other = await opened.value
    await other.locator("#pay").click()
    await other.get_by_text("10,000 credits were added").wait_for()
    await page.wait_phase("talking")
    await page.end()
    await page.wait_phase("ended")
    shown = await page.settlement()
    paid, left = (float(words.replace(",", "")) for words in (shown.paid, shown.left))
    assert round(paid + left, 2) == 10_000 + PACKAGE
    assert page.faults == []


async def test_a_call_in_its_last_minute_is_extended_by_an_automatic_top_up(
    market: Market,
) -> None:
    stack, caller = market.stack, await signed_in(market.stack)
    await keep_a_card(market, caller)
    await leave_only(stack, caller.api.user_id, CREDITS)
    rule = {"isOn": True, "threshold": 100, "amount": 500, "monthAmountMax": 500}
    async with talk(stack, lasting(SECONDS + 3.5), caller=caller) as ann:
        await ann.noticed("low_balance", timeout_s=SECONDS)  # else there is nothing to withdraw
        await caller.api.request("PUT", "/api/auto-topup", rule)
        await ann.noticed("credit_added", timeout_s=SECONDS + 5)
        agreed = await caller.api.request("GET", "/api/auto-topup")
        result = await ann.result(timeout_s=SECONDS + 30)
    check = await settled_exactly(stack, result)
    assert check.seconds > SECONDS
    assert result.end_reason == "caller_hangup"
    assert check.balance == (CREDITS + PACKAGE) * CREDIT - check.cost
    assert (agreed["state"], agreed["monthAmountSpent"]) == ("ready", 500)


async def keep_a_card(market: Market, caller: SimulatedCaller) -> None:
    wish = {"packageId": "starter", "saveCard": True}
    opened = await caller.api.request("POST", "/api/checkout", wish)
    checkout_id = opened["url"].rpartition("/")[2]
    market.stripe.desk.pay_checkout(checkout_id)
    await public_text(market.stack, f"/checkout/success?session_id={checkout_id}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_small_screen_shows_the_shop_without_scrolling_sideways(
    market: Market, scheme: str
) -> None:
    small = {"width": 320, "height": 640}
    page = await market.buyer(viewport=small, color_scheme=scheme)
    await page.page.get_by_role("switch", name="Top up by itself").check()
    assert await page.page.evaluate(_SIDEWAYS) == 0
    assert await page.page.evaluate(_UNNAMED) == []


_SIDEWAYS = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""

_UNNAMED = """() => [...document.querySelectorAll('button, input, select, textarea')]
  .filter((element) => !(element.labels?.length || element.textContent.trim()))
  .map((element) => element.outerHTML)"""


async def test_without_a_till_nothing_is_offered(market: Market) -> None:
    async with serve_page(account(0)) as api:
        page = await open_call_page(market.browser, api.base_url, email="ann@example.org")
        assert not await page.page.get_by_text("Add credit").is_visible()
