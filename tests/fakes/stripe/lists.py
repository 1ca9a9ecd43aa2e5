"""Answers: pages of a list, and references that the asker wants expanded."""

from collections.abc import Sequence
from typing import Any

from tests.fakes.stripe.account import Doc, StripeAccount, shown
from tests.fakes.stripe.form import number
from tests.fakes.stripe.refusals import invalid

LIMIT = 10  # Stripe's default
LIMIT_MAX = 100
PAGE_CONTROLS = frozenset({"limit", "starting_after", "ending_before", "expand", "created"})


def page(docs: Sequence[Doc], params: Doc, url: str) -> Doc:
    """`docs` newest first; the cursor is the id of the last one seen."""
    limit = number(params, "limit", LIMIT)
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("Invalid limit", param="limit")
    found = [doc for doc in docs if _created_as_asked(doc, params.get("created"))]
    if after := params.get("starting_after"):
        ids = [doc["id"] for doc in found]
        if after not in ids:
            raise invalid(f"No such object: '{after}'", param="starting_after")
        found = found[ids.index(after) + 1 :]
    return {
        "object": "list",
        "data": [shown(doc) for doc in found[:limit]],
        "has_more": len(found) > limit,
        "url": url,
    }


def whole(docs: Sequence[Doc], url: str) -> Doc:
    """A list that is part of another object."""
    data = [shown(doc) for doc in docs]
    return {"object": "list", "data": data, "has_more": False, "url": url}


def _created_as_asked(doc: Doc, asked: Any) -> bool:
    if not asked:
        return True
    if not isinstance(asked, dict):
        return bool(doc["created"] == int(asked))
    created = doc["created"]
    checks = {
        "gte": created.__ge__,
        "gt": created.__gt__,
        "lte": created.__le__,
        "lt": created.__lt__,
    }
    return all(checks[name](int(value)) for name, value in asked.items())


def expand(account: StripeAccount, answer: Doc, paths: Sequence[str]) -> Doc:
    """In place; a path of Stripe's like `data.payments` or `latest_invoice`."""
    for path in paths:
        _expand(account, answer, path.split("."))
    return answer


def _expand(account: StripeAccount, at: Any, names: Sequence[str]) -> None:
    if isinstance(at, list):
        for item in at:
            _expand(account, item, names)
        return
    if not names or not isinstance(at, dict):
        return
    name = names[0]
    if name not in at:
        at[name] = _included(account, at, name)
    elif isinstance(at[name], str) and at[name] in account.kept:
        at[name] = shown(account.kept[at[name]])
    _expand(account, at[name], names[1:])


def _included(account: StripeAccount, at: Doc, name: str) -> Doc:
    """What Stripe leaves out unless asked."""
    kind, own = at["object"], at["id"]
    if (kind, name) == ("invoice", "payments"):
        return whole(account.all("invoice_payment", invoice=own), "/v1/invoice_payments")
    if (kind, name) == ("charge", "refunds"):
        return whole(account.all("refund", charge=own), f"/v1/charges/{own}/refunds")
    if (kind, name) == ("checkout.session", "line_items"):
        return whole(session_lines(account, own), f"/v1/checkout/sessions/{own}/line_items")
    raise invalid(f"This property cannot be expanded ({name}).", param="expand")


def session_lines(account: StripeAccount, session_id: str) -> list[Doc]:
    session = account.get("checkout.session", session_id)
    return [
        {
            "id": f"li_{session_id[-12:]}{place}",
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": item["amount"],
            "amount_tax": 0,
            "amount_total": item["amount"],
            "currency": item["currency"],
            "description": "An item",
            "metadata": {},
            "price": shown(item["price"]),
            "quantity": item["quantity"],
        }
        for place, item in enumerate(session["_items"])
    ]
