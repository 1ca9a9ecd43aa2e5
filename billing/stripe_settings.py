"""Which Stripe account, and where a local one listens instead."""

from pydantic import Field, SecretStr

from shared.settings import EnvironmentSettings


class StripeSettings(EnvironmentSettings):
    """Without a key nothing is sold, and the routes of the till say so."""

    stripe_secret_key: SecretStr | None = Field(default=None, min_length=8)
    stripe_webhook_secret: SecretStr | None = Field(default=None, min_length=8)
    stripe_base_url: str | None = None  # another server that speaks Stripe's API
