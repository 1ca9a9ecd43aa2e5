"""The fake as a server of its own: pages, commands over HTTP, webhooks to an address."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import ClientSession, web

from billing.stripe_gateway import StripeGateway
from billing.stripe_objects import CheckoutWish
from billing.stripe_settings import StripeSettings
from tests.fakes.stripe_server import FakeStripe
from tests.integration.till_rig import stripe_fake, till

__all__ = ["stripe_fake", "till"]

ROOT = Path(__file__).resolve().parents[2]
START_S_MAX = 30.0
ARRIVE_S_MAX = 10.0


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[tuple[str, asyncio.Queue[dict[str, Any]]]]:
    """An address for webhooks, and what arrives there."""
    got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await got.put(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhook", got
    await runner.cleanup()


async def test_a_person_pays_on_the_page(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    wish = CheckoutWish(
        mode="payment",
        customer=await till.create_customer(user_id="u", email=None, key="a"),
        client_reference_id="u",
        line_items=[{"price": stripe_fake.desk.price(500), "quantity": 1}],
        metadata={},
        success_url="http://shop.test/thanks?session={CHECKOUT_SESSION_ID}",
        cancel_url="http://shop.test/cancelled",
    )
    opened = await till.open_checkout(wish, key="b")
    async with ClientSession() as person:
        page = await person.get(opened.url or "")
        declined = await person.post(f"{opened.url}?card=declined", allow_redirects=False)
        paid = await person.post(opened.url or "", allow_redirects=False)

    assert 'id="pay"' in await page.text()
    assert declined.status == 402
    assert paid.status == 303
    assert paid.headers["Location"] == f"http://shop.test/thanks?session={opened.id}"
    assert (await till.checkout(opened.id)).payment_status == "paid"


async def test_it_runs_as_a_program(
    receiver: tuple[str, asyncio.Queue[dict[str, Any]]],
) -> None:
    webhook_url, got = receiver
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.stripe_server",
        "0",
        webhook_url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout
    try:
        line = (await asyncio.wait_for(program.stdout.readline(), START_S_MAX)).decode()
        found = re.match(r"(\S+) key (\S+) webhook secret (\S+)", line)
        assert found
        url, key, _secret = found.groups()
        settings = {"stripe_secret_key": key, "stripe_base_url": url}
        gateway = StripeGateway.open(StripeSettings.model_validate(settings))
        customer = await gateway.create_customer(user_id="u", email=None, key="a")
        await gateway.close()
        async with ClientSession() as person:
            saved = await person.post(f"{url}/_test/save_card", json={"customer": customer})
            assert (await saved.json())["customer"] == customer
            wrong = await person.post(f"{url}/_test/refund", json={"charge": "ch_of_nobody"})
            assert wrong.status == 404

        event = await asyncio.wait_for(got.get(), ARRIVE_S_MAX)
        assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", customer)
    finally:
        program.kill()
        await program.wait()
