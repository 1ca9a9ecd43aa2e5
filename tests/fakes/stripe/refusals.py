"""Stripe's error bodies."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StripeRefusal(Exception):
    """An answer that is an error; `kept` ones are replayed for the same idempotency key."""

    status: int
    kind: str
    message: str
    code: str | None = None
    kept: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        error = {"type": self.kind, "message": self.message, **self.more}
        if "payment_intent" in error:  # as it is now, without what the fake notes for itself
            intent = error["payment_intent"]
            error["payment_intent"] = {name: intent[name] for name in intent if name[0] != "_"}
        if self.code:
            error["code"] = self.code
        return {"error": error}


def invalid(
    message: str, *, param: str | None = None, code: str | None = None, status: int = 400
) -> StripeRefusal:
    more = {"param": param} if param else {}
    return StripeRefusal(status, "invalid_request_error", message, code, more=more)


def missing(kind: str, wanted: str, *, param: str = "id") -> StripeRefusal:
    return invalid(f"No such {kind}: '{wanted}'", param=param, code="resource_missing", status=404)


def unknown_route(method: str, path: str) -> StripeRefusal:
    return invalid(f"Unrecognized request URL ({method}: {path}).", status=404)


def wrong_key() -> StripeRefusal:
    return invalid("Invalid API Key provided: sk_****", status=401)


def card_refused(code: str, *, decline_code: str | None, intent: dict[str, Any]) -> StripeRefusal:
    """A 402 with the intent as it is afterwards."""
    more: dict[str, Any] = {"payment_intent": intent, "charge": intent["latest_charge"]}
    if decline_code:
        more["decline_code"] = decline_code
    return StripeRefusal(402, "card_error", "Your card was declined.", code, kept=True, more=more)


def key_used_otherwise(key: str) -> StripeRefusal:
    return StripeRefusal(
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}'.",
    )


def key_in_use(key: str) -> StripeRefusal:
    return StripeRefusal(
        409,
        "idempotency_error",
        f"There is currently another in-progress request using this Idempotent Key ({key}).",
        "idempotency_key_in_use",
    )


def too_many() -> StripeRefusal:
    return StripeRefusal(429, "invalid_request_error", "Too many requests.", "rate_limit")


def broken(*, kept: bool) -> StripeRefusal:
    return StripeRefusal(500, "api_error", "An unknown error occurred.", kept=kept)
