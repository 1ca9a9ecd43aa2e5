"""
A Stripe on loopback, with what goes wrong at it: the real SDK talks to it.

    async with running_stripe() as stripe:
        settings = StripeSettings(stripe_secret_key=stripe.api_key, stripe_base_url=stripe.url,
                                  stripe_webhook_secret=stripe.webhooks.secret)
        ...                                                      # or the fixtures of till_rig.py
        stripe.desk.pay_checkout(checkout_id)                    # what a person does on the page
        stripe.desk.pay_checkout(checkout_id, "declined")        # Card: pays declined no_funds
        stripe.desk.pay_checkout(checkout_id, "slow")            #       asks_owner slow
        stripe.desk.settle(payment_intent, pays=True)            # the slow money comes
        stripe.desk.bank_says(customer, "asks_owner")            # of the saved cards, from now on
        stripe.desk.refund(charge, 500); stripe.desk.open_dispute(charge)
        stripe.desk.close_dispute(dispute, won=True)
        stripe.account.kept[an_id], stripe.account.all("charge", customer=...)   # the truth
        stripe.account.events                                    # what was, oldest first
        stripe.desk.advance(days=31)                             # renews, bills, retries, expires
        stripe.desk.change_plan(sub, price); stripe.desk.cancel_plan(sub)  # in the portal
        stripe.desk.price(1000, every='month'); stripe.desk.coupon(percent_off=50)  # ids

    Webhooks are silent until there is a receiver; a failed one is sent again, up to 12 times:
        stripe.webhooks.to_url("http://127.0.0.1:8080/api/stripe/webhook")
        stripe.webhooks.to(post)              # async (body, headers) -> status, without a socket
        stripe.webhooks.misbehave(WebhookFaults(drop=.1, duplicate=.3, reorder=.3), seed=1)
        await stripe.webhooks.settled()                          # nothing is on its way any more
        await stripe.webhooks.deliver(event, secret="wrong")     # one, now; also at_s=...
        body, headers = stripe.webhooks.signed(event)            # to send it yourself

    Trouble between us and the API:
        stripe.api.trouble.next(Trouble.CUTS_DONE, method="POST", path="payment_intents")
        stripe.api.trouble.by_chance({Trouble.FAILS: .1}, seed=1)
        stripe.api.seen                                          # requests as they arrived

It runs in the test's loop. `python -m tests.fakes.stripe_server PORT [WEBHOOK_URL]` is a program;
`POST /_test/NAME` (JSON) does what `desk.NAME` does, and the page of a checkout has a button.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.stripe.account import StripeAccount
from tests.fakes.stripe.cards import Card
from tests.fakes.stripe.desk import Desk
from tests.fakes.stripe.server import BODY_BYTES_MAX, ApiServer, routes
from tests.fakes.stripe.trouble import Trouble
from tests.fakes.stripe.webhooks import WebhookFaults, WebhookSender

__all__ = ["Card", "FakeStripe", "Trouble", "WebhookFaults", "running_stripe"]


@dataclass(frozen=True, slots=True)
class FakeStripe:
    account: StripeAccount
    api: ApiServer
    webhooks: WebhookSender
    desk: Desk

    @property
    def url(self) -> str:
        return self.account.url

    @property
    def api_key(self) -> str:
        return self.api.api_key


@asynccontextmanager
async def running_stripe(*, port: int = 0) -> AsyncIterator[FakeStripe]:
    """An empty account on a free port of 127.0.0.1."""
    account = StripeAccount()
    fake = FakeStripe(account, ApiServer(account), WebhookSender(account), Desk(account))
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_routes([*routes(fake.api), *fake.desk.routes()])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    account.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await fake.webhooks.close()
        await runner.cleanup()


async def _serve(port: int, webhook_url: str | None) -> None:
    async with running_stripe(port=port) as fake:
        if webhook_url:
            fake.webhooks.to_url(webhook_url)
        print(f"{fake.url} key {fake.api_key} webhook secret {fake.webhooks.secret}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), next(iter(sys.argv[2:]), None)))
