"""The gateway: keys, retries, and whose fault it is."""

import ast
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from billing.stripe_gateway import API_VERSION, RETRIES_MAX, StripeGateway
from billing.stripe_objects import (
    AuthenticationNeeded,
    CardRefused,
    CheckoutWish,
    PaymentIntent,
    TillAway,
)
from billing.stripe_settings import StripeSettings
from shared.errors import Invalid, NotFound
from tests.fakes.stripe_server import FakeStripe, Trouble
from tests.integration.till_rig import stripe_fake, till, till_settings
from tests.web_process import unused_port

__all__ = ["stripe_fake", "till"]

ROOT = Path(__file__).resolve().parents[2]
BEGINNING = datetime.fromtimestamp(0, UTC)


@pytest_asyncio.fixture
async def hasty(stripe_fake: FakeStripe) -> AsyncIterator[StripeGateway]:
    """A gateway that waits 0.2 s for an answer; Stripe stalls for 0.4 s."""
    stripe_fake.api.trouble.stall_s = 0.4
    settings = StripeSettings.model_validate(till_settings(stripe_fake))
    gateway = StripeGateway.open(settings, timeout_s=0.2)
    try:
        yield gateway
    finally:
        await gateway.close()


async def _customer(fake: FakeStripe, till: StripeGateway, card: str = "pays") -> str:
    customer = await till.create_customer(user_id="u", email=None, key="customer")
    fake.desk.save_card(customer, card)
    return customer


async def _pay(till: StripeGateway, customer: str, key: str = "topup:1") -> PaymentIntent:
    return await till.pay_off_session(
        customer=customer, amount=700, currency="usd", metadata={"topup_id": key}, key=key
    )


def _wish(customer: str, price: str, mode: str = "payment") -> CheckoutWish:
    return CheckoutWish(
        mode=mode,
        customer=customer,
        client_reference_id="u",
        line_items=[{"price": price, "quantity": 1}],
        metadata={"topup_id": "1"},
        success_url="http://shop.test/thanks",
        cancel_url="http://shop.test/cancelled",
    )


Write = Callable[[StripeGateway, str, str, str], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "create_customer": lambda till, _customer, _price, key: till.create_customer(
        user_id="v", email="v@b.test", key=key
    ),
    "open_checkout": lambda till, customer, price, key: till.open_checkout(
        _wish(customer, price), key=key
    ),
    "pay_off_session": lambda till, customer, _price, key: _pay(till, customer, key),
    "portal_url": lambda till, customer, _price, key: till.portal_url(
        customer=customer, return_url="http://shop.test", key=key
    ),
}


@pytest.mark.parametrize("name", WRITES)
async def test_every_change_carries_the_key_it_was_given(
    stripe_fake: FakeStripe, till: StripeGateway, name: str
) -> None:
    customer, price = await _customer(stripe_fake, till), stripe_fake.desk.price(500)
    stripe_fake.api.seen.clear()

    first = await WRITES[name](till, customer, price, "intent:7")
    again = await WRITES[name](till, customer, price, "intent:7")

    keys = [seen.key for seen in stripe_fake.api.seen if seen.method == "POST"]
    assert keys == ["intent:7", "intent:7"]
    assert first == again
    assert {seen.version for seen in stripe_fake.api.seen} == {API_VERSION}


def test_no_write_is_left_out_above() -> None:
    """A method of the gateway that takes a key is one that changes something."""
    tree = ast.parse((ROOT / "billing" / "stripe_gateway.py").read_text())
    takes_a_key = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
        and "key" in {argument.arg for argument in node.args.kwonlyargs}
    }
    assert takes_a_key == {*WRITES, "close_checkout"}  # which needs an open page: below


async def test_a_page_is_closed_under_its_own_key(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    customer, price = await _customer(stripe_fake, till), stripe_fake.desk.price(500)
    page = await till.open_checkout(_wish(customer, price), key="intent:8")

    for _ in range(2):
        await till.close_checkout(page.id, key="close:8")

    assert [seen.key for seen in stripe_fake.api.seen if seen.method == "POST"][-2:] == [
        "close:8",
        "close:8",
    ]
    assert (await till.checkout(page.id)).status == "expired"


def test_only_the_gateway_knows_the_sdk() -> None:
    packages = ("agent", "billing", "control_plane", "local", "shared")
    importers = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(_is_sdk(it.name) for it in node.names))
        or (isinstance(node, ast.ImportFrom) and _is_sdk(node.module or ""))
    }
    assert importers == {"billing/stripe_gateway.py"}


def _is_sdk(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == "stripe"


async def test_a_declined_card_is_a_refusal_with_its_reason(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    customer = await _customer(stripe_fake, till, "no_funds")

    with pytest.raises(CardRefused) as refused:
        await _pay(till, customer)

    assert refused.value.decline_code == "insufficient_funds"
    assert not isinstance(refused.value, AuthenticationNeeded)


async def test_a_bank_that_asks_is_told_apart(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    customer = await _customer(stripe_fake, till, "asks_owner")

    with pytest.raises(AuthenticationNeeded):
        await _pay(till, customer)


async def test_a_refused_payment_is_never_retried(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    customer = await _customer(stripe_fake, till, "declined")
    for _ in range(2):
        with pytest.raises(CardRefused):
            await _pay(till, customer)

    stripe_fake.desk.bank_says(customer, "pays")
    with pytest.raises(CardRefused):  # the key still means the payment that was refused
        await _pay(till, customer)

    assert len(stripe_fake.account.all("charge")) == 1


async def test_without_a_saved_card_nothing_is_asked(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    customer = await till.create_customer(user_id="u", email=None, key="customer")

    with pytest.raises(CardRefused):
        await _pay(till, customer)

    assert not stripe_fake.account.all("payment_intent")


@pytest.mark.parametrize("trouble", [Trouble.FAILS, Trouble.CUTS, Trouble.CUTS_DONE])
async def test_a_payment_survives_trouble_and_happens_once(
    stripe_fake: FakeStripe, till: StripeGateway, trouble: Trouble
) -> None:
    customer = await _customer(stripe_fake, till)
    stripe_fake.api.trouble.next(trouble, method="POST")

    paid = await _pay(till, customer)

    assert paid.status == "succeeded"
    assert [charge["id"] for charge in stripe_fake.account.all("charge")] == [paid.latest_charge]


@pytest.mark.parametrize("trouble", [Trouble.STALLS, Trouble.STALLS_DONE])
async def test_a_stalled_payment_is_asked_for_again_and_happens_once(
    stripe_fake: FakeStripe, till: StripeGateway, hasty: StripeGateway, trouble: Trouble
) -> None:
    customer = await _customer(stripe_fake, till)
    stripe_fake.api.trouble.next(trouble, method="POST")

    assert (await _pay(hasty, customer)).status == "succeeded"

    assert len(stripe_fake.account.all("charge")) == 1


@pytest.mark.parametrize("trouble", [Trouble.FAILS, Trouble.CUTS_DONE, Trouble.STALLS_DONE])
async def test_retries_end_and_the_outcome_is_unknown(
    stripe_fake: FakeStripe, till: StripeGateway, hasty: StripeGateway, trouble: Trouble
) -> None:
    customer = await _customer(stripe_fake, till)
    stripe_fake.api.seen.clear()
    stripe_fake.api.trouble.next(trouble, method="POST", times=RETRIES_MAX + 1)

    with pytest.raises(TillAway):
        await _pay(hasty, customer)

    asked = [seen.key for seen in stripe_fake.api.seen if seen.method == "POST"]
    assert asked == ["topup:1"] * (RETRIES_MAX + 1)
    # The job that finds the intent later asks with its key, and no second payment comes of it
    assert (await _pay(till, customer)).status == "succeeded"
    assert len(stripe_fake.account.all("charge")) == 1


async def test_a_500_that_stripe_keeps_for_the_key_is_seen_through(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    """Stripe replays it for a day, though the customer has paid."""
    customer = await _customer(stripe_fake, till)
    stripe_fake.api.trouble.next(Trouble.FAILS_DONE, method="POST")

    assert (await _pay(till, customer)).status == "succeeded"

    assert len(stripe_fake.account.all("charge")) == 1


async def test_another_card_since_does_not_pay_twice(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    """The key was used with the card of before, which Stripe answers with an error for ever."""
    customer = await _customer(stripe_fake, till)
    first = await _pay(till, customer)
    stripe_fake.desk.save_card(customer)

    assert await _pay(till, customer) == first
    assert len(stripe_fake.account.all("charge")) == 1


async def test_too_many_requests_is_away_and_not_hammered(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    stripe_fake.api.trouble.next(Trouble.RATE_LIMITS)

    with pytest.raises(TillAway):
        await till.create_customer(user_id="u", email=None, key="customer")

    assert len(stripe_fake.api.seen) == 1


async def test_nobody_there_is_away() -> None:
    settings = {
        "stripe_secret_key": "sk_test_123",
        "stripe_base_url": f"http://127.0.0.1:{unused_port()}",
    }
    gateway = StripeGateway.open(StripeSettings.model_validate(settings))
    try:
        with pytest.raises(TillAway):
            await gateway.checkout("cs_1")
    finally:
        await gateway.close()


async def test_a_wrong_key_is_our_trouble_not_the_customers(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    stripe_fake.api.api_key = "sk_test_of_somebody_else"

    with pytest.raises(TillAway):
        await till.payment_intent("pi_1")


async def test_unknown_and_wrong_are_told_apart(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    customer = await _customer(stripe_fake, till)

    with pytest.raises(NotFound):
        await till.charge("ch_of_nobody")
    with pytest.raises(Invalid):  # below Stripe's minimum
        await till.pay_off_session(
            customer=customer, amount=1, currency="usd", metadata={}, key="a"
        )


async def test_a_charge_tells_of_what_went_back(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    paid = await _pay(till, await _customer(stripe_fake, till))
    charge_id = paid.latest_charge or ""
    stripe_fake.desk.refund(charge_id, 200)
    dispute = stripe_fake.desk.open_dispute(charge_id, amount=500)["id"]

    disputed = await till.charge(charge_id)
    stripe_fake.desk.close_dispute(dispute, won=True)
    won = await till.charge(charge_id)

    assert (disputed.refunded, disputed.disputed, disputed.dispute_won) == (200, 500, False)
    assert (won.refunded, won.disputed, won.dispute_won) == (200, 0, True)


async def test_an_inquiry_of_the_bank_takes_nothing(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    paid = await _pay(till, await _customer(stripe_fake, till))
    stripe_fake.desk.open_dispute(paid.latest_charge or "", inquiry=True)

    charge = await till.charge(paid.latest_charge or "")

    assert (charge.disputed, charge.dispute_status) == (0, "warning_needs_response")


async def test_yen_are_whole(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    customer = await _customer(stripe_fake, till)
    price = stripe_fake.desk.price(700, currency="jpy")
    opened = await till.open_checkout(_wish(customer, price), key="a")
    stripe_fake.desk.pay_checkout(opened.id)

    paid = await till.payment_intent((await till.checkout(opened.id)).payment_intent or "")

    assert (paid.amount, paid.currency) == (700, "jpy")


async def test_the_sweep_reads_more_than_a_page(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    for _ in range(130):
        stripe_fake.desk.price(500)  # two events each

    seen = [event.id async for event in till.events_since(BEGINNING)]

    assert seen == [event["id"] for event in reversed(stripe_fake.account.events)]
    assert len(seen) == 260
