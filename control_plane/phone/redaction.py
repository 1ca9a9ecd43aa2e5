"""Webhooks without telephone numbers: the inbox is kept for weeks, and needs none of them."""

from typing import Any, Final

_SIP: Final = "SIP"
_SIP_IDENTITY: Final = "sip_"  # events of tracks tell no kind
_KEPT: Final = ("sid", "state", "joinedAt", "kind", "version", "permission", "disconnectReason")


def without_numbers(payload: Any) -> Any:
    """
    The payload with what names a person taken out of a participant of kind SIP.

    Identity, name and attributes of such a participant hold the caller's number.
    """
    if not isinstance(payload, dict):
        return payload
    person = payload.get("participant")
    if not isinstance(person, dict) or not _is_phone(person):
        return payload
    kept = {key: person[key] for key in _KEPT if key in person}
    return {**payload, "participant": {**kept, "identity": "phone"}}


def _is_phone(person: dict[str, Any]) -> bool:
    return person.get("kind") == _SIP or str(person.get("identity", "")).startswith(_SIP_IDENTITY)
