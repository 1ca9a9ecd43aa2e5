"""Settings of the phone. Without PHONE_PIN_SECRET there are no PINs, so nobody pays by phone."""

from pydantic import Field, SecretStr

from control_plane.phone.trunk_file import NUMBER_PATTERN
from shared.settings import EnvironmentSettings


class PhoneSettings(EnvironmentSettings):
    phone_pin_secret: SecretStr | None = Field(default=None, min_length=32)
    # Our own, with commas between: what the page tells callers; livekit.yaml has them too.
    phone_numbers: str = ""
    # Calls of one telephone at once, and one more a minute; the next is not answered.
    phone_calls_per_number: int = Field(default=6, ge=1, le=1_000)
    # PINs and codes entered a minute by all callers of one of our numbers.
    phone_pins_per_minute: int = Field(default=60, ge=1, le=100_000)
    # Who is called by key 0, at the provider's price; unset: nobody, and the caller is told so.
    phone_operator_number: str | None = Field(default=None, pattern=NUMBER_PATTERN)
    # Outbound calls: the switch, and what an operator must have decided. See phone/outbound.py.
    phone_outbound: bool = False
    phone_outbound_countries: str = ""
    phone_outbound_hours: str = ""
    phone_outbound_caller_ids: str = ""
    phone_outbound_consent: bool = False

    @property
    def call_numbers(self) -> list[str]:
        """Ours, to be called."""
        return [number.strip() for number in self.phone_numbers.split(",") if number.strip()]

    @property
    def offers_phone(self) -> bool:
        return self.phone_pin_secret is not None and bool(self.call_numbers)
