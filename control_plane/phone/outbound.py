"""
Calls from us to people: not built. The switch exists so that nobody builds around it.

Before a first one, an operator decides countries, hours, caller IDs and how consent is kept; until
there is code that obeys all four, every request is refused, whatever the settings say.
"""

from control_plane.phone.settings import PhoneSettings
from shared.errors import Forbidden


class OutboundCallsOff(Forbidden):
    """Outbound calls are off"""

    code = "outbound_calls_off"


def missing_for_outbound(settings: PhoneSettings) -> list[str]:
    """The settings an operator has not decided yet; empty when only the code is missing."""
    decided = {
        "PHONE_OUTBOUND": settings.phone_outbound,
        "PHONE_OUTBOUND_COUNTRIES": settings.phone_outbound_countries,
        "PHONE_OUTBOUND_HOURS": settings.phone_outbound_hours,
        "PHONE_OUTBOUND_CALLER_IDS": settings.phone_outbound_caller_ids,
        "PHONE_OUTBOUND_CONSENT": settings.phone_outbound_consent,
    }
    return [name for name, value in decided.items() if not value]
