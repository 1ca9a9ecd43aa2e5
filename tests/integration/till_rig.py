"""
The fake Stripe and our gateway to it, through the real SDK.

A test imports the fixtures it needs: `from tests.integration.till_rig import stripe_fake, till`.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from billing.stripe_gateway import StripeGateway
from billing.stripe_settings import StripeSettings
from tests.fakes.stripe_server import FakeStripe, running_stripe


def till_settings(fake: FakeStripe) -> dict[str, str]:
    """For `web_settings(db_dsn, media, **till_settings(fake))` and for StripeSettings."""
    return {
        "stripe_secret_key": fake.api_key,
        "stripe_webhook_secret": fake.webhooks.secret,
        "stripe_base_url": fake.url,
    }


@pytest_asyncio.fixture
async def stripe_fake() -> AsyncIterator[FakeStripe]:
    """An empty account; its webhooks are silent until the test names a receiver."""
    async with running_stripe() as fake:
        yield fake


@pytest_asyncio.fixture
async def till(stripe_fake: FakeStripe) -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway.open(StripeSettings.model_validate(till_settings(stripe_fake)))
    try:
        yield gateway
    finally:
        await gateway.close()
