"""Limits that an operator may move. Each is a rate a minute, which is also the most at once."""

from pydantic import Field

from shared.settings import EnvironmentSettings


class LimitSettings(EnvironmentSettings):
    api_requests_per_minute: int = Field(default=60, ge=1, le=100_000)  # a key; upstream's
    api_account_requests_per_minute: int = Field(default=240, ge=1, le=100_000)  # over its keys
    call_tokens_per_minute: int = Field(default=30, ge=1, le=100_000)  # an account, as below
    generations_per_minute: int = Field(default=60, ge=1, le=100_000)
    clones_per_minute: int = Field(default=10, ge=1, le=100_000)
    texts_per_minute: int = Field(default=30, ge=1, le=100_000)  # they cost us and are free
    payments_per_minute: int = Field(default=20, ge=1, le=100_000)  # each asks Stripe
    checkouts_per_minute: int = Field(default=20, ge=1, le=100_000)  # each asks Stripe
    anonymous_requests_per_minute: int = Field(default=20, ge=1, le=100_000)  # an address
    generations_in_flight_max: int = Field(default=8, ge=1, le=1_000)  # an account
    clones_in_flight_max: int = Field(default=2, ge=1, le=1_000)
    # Proxies of ours in front: how many entries of X-Forwarded-For, from the right, are theirs.
    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)
