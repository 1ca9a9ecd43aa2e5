"""Which request is answered by what."""

import re
from collections.abc import Callable
from typing import Any

from tests.fakes.stripe import (
    catalogue,
    charges,
    checkout,
    customers,
    invoices,
    payments,
    portal,
    subscriptions,
)
from tests.fakes.stripe.account import Doc, StripeAccount, shown
from tests.fakes.stripe.lists import PAGE_CONTROLS, expand, page, session_lines
from tests.fakes.stripe.refusals import invalid, unknown_route

Action = Callable[..., Doc]

# A name in braces is handed on as a keyword
ACTIONS: dict[str, Action] = {
    "POST /v1/customers": customers.create_customer,
    "POST /v1/customers/{customer}": customers.update_customer,
    "POST /v1/payment_methods/{method}/attach": customers.attach,
    "POST /v1/payment_methods/{method}/detach": customers.detach,
    "POST /v1/products": catalogue.create_product,
    "POST /v1/prices": catalogue.create_price,
    "POST /v1/coupons": catalogue.create_coupon,
    "POST /v1/payment_intents": payments.create_intent,
    "POST /v1/payment_intents/{intent}/confirm": payments.confirm_intent,
    "POST /v1/payment_intents/{intent}/cancel": payments.cancel_intent,
    "POST /v1/refunds": charges.create_refund,
    "POST /v1/disputes/{dispute}": charges.update_dispute,
    "POST /v1/subscriptions": subscriptions.create,
    "POST /v1/subscriptions/{subscription}": subscriptions.update,
    "DELETE /v1/subscriptions/{subscription}": subscriptions.cancel,
    "POST /v1/invoices/{invoice}/pay": invoices.pay,
    "POST /v1/invoices/{invoice}/void": invoices.void,
    "POST /v1/billing_portal/sessions": portal.create_portal,
    "POST /v1/checkout/sessions": checkout.create_session,
    "POST /v1/checkout/sessions/{session}/expire": checkout.expire_session,
}
# Kept objects: the path after /v1/, their kind, and by what a list can be narrowed
READ: dict[str, tuple[str, frozenset[str]]] = {
    "customers": ("customer", frozenset({"email"})),
    "payment_methods": ("payment_method", frozenset({"customer", "type"})),
    "products": ("product", frozenset({"active"})),
    "prices": ("price", frozenset({"product", "currency", "type"})),
    "coupons": ("coupon", frozenset()),
    "payment_intents": ("payment_intent", frozenset({"customer"})),
    "charges": ("charge", frozenset({"customer", "payment_intent"})),
    "refunds": ("refund", frozenset({"charge", "payment_intent"})),
    "disputes": ("dispute", frozenset({"charge", "payment_intent"})),
    "subscriptions": ("subscription", frozenset({"customer", "status"})),
    "invoices": ("invoice", frozenset({"customer", "status"})),
    "invoice_payments": ("invoice_payment", frozenset({"invoice", "status", "payment"})),
    "checkout/sessions": (
        "checkout.session",
        frozenset({"customer", "payment_intent", "subscription", "status"}),
    ),
    "events": ("event", frozenset({"type"})),
}
PATTERNS = [
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$"), action)
    for (method, path), action in ((name.split(" "), action) for name, action in ACTIONS.items())
]


def answer(account: StripeAccount, method: str, path: str, params: Doc) -> Doc:
    """Raises StripeRefusal."""
    params = dict(params)
    wanted = params.pop("expand", [])
    return expand(account, _answer(account, method, path, params), wanted)


def _answer(account: StripeAccount, method: str, path: str, params: Doc) -> Doc:
    for known, pattern, action in PATTERNS:
        if known == method and (found := pattern.match(path)):
            made: dict[str, Any] = action(account, params, **found.groupdict())
            return shown(made)
    if method == "GET":
        return _read(account, path, params)
    raise unknown_route(method, path)


def _read(account: StripeAccount, path: str, params: Doc) -> Doc:
    name = path.removeprefix("/v1/")
    if name in READ:
        return _list(account, path, params, *READ[name])
    folder, _, wanted = name.rpartition("/")
    if folder == "events":
        return next(event for event in account.events if event["id"] == wanted)
    if folder in READ:
        return shown(account.get(READ[folder][0], wanted))
    if folder.startswith("invoices/") and wanted == "lines":
        lines = account.get("invoice", folder.split("/")[1])["lines"]["data"]
        return page(lines, params, path)
    if folder.startswith("checkout/sessions/") and wanted == "line_items":
        return page(session_lines(account, folder.split("/")[2]), params, path)
    raise unknown_route("GET", path)


def _list(
    account: StripeAccount, path: str, params: Doc, kind: str, filters: frozenset[str]
) -> Doc:
    unknown = set(params) - filters - PAGE_CONTROLS
    if unknown:
        raise invalid(f"Received unknown parameters: {unknown}", param=min(unknown))
    if kind == "event":
        docs = [
            event
            for event in reversed(account.events)
            if params.get("type") in {None, event["type"]}
        ]
    else:
        docs = account.all(kind, **{name: params.get(name) for name in filters})
    return page(docs, params, path)
