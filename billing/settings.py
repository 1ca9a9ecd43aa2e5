"""
What an operator may set about charging. Frozen into each call when it is authorized.

Prices are not among it: they are published in the price book (`python -m billing.prices`).
"""

from pydantic import Field

from shared.settings import EnvironmentSettings


class ChargingSettings(EnvironmentSettings):
    signup_credits: int = Field(default=10_000, ge=0)
    call_min_credits: int = Field(default=1_000, ge=1)  # needed to start a call
    free_call_seconds: int = Field(default=300, ge=0)  # in total, for who has never paid
    call_max_seconds: int = Field(default=3_600, ge=1, le=24 * 3_600)
    # How far a grant reaches. It is also how long the control plane may be away without a call
    # noticing, and it must exceed the 60 s warning plus one settle period (see docs/charging.md).
    grant_seconds: int = Field(default=120, ge=1)
    grant_low_seconds: int = Field(default=75, ge=1)  # extend when less than this is left
