"""Customers and the cards they saved."""

from typing import Any

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.cards import TEST_METHODS, Card
from tests.fakes.stripe.form import text
from tests.fakes.stripe.refusals import invalid, missing

METADATA_KEYS_MAX = 50
METADATA_VALUE_CHARS_MAX = 500


def metadata_of(params: Doc) -> dict[str, str]:
    given = params.get("metadata") or {}
    if not isinstance(given, dict) or len(given) > METADATA_KEYS_MAX:
        raise invalid("Invalid metadata", param="metadata")
    if any(len(value) > METADATA_VALUE_CHARS_MAX for value in given.values()):
        raise invalid("Metadata values can have up to 500 characters", param="metadata")
    return dict(given)


def create_customer(account: StripeAccount, params: Doc) -> Doc:
    made = account.new(
        "cus",
        "customer",
        address=None,
        balance=0,
        currency=None,
        default_source=None,
        delinquent=False,
        description=params.get("description"),
        email=params.get("email"),
        invoice_prefix=f"F{len(account.kept):07d}",
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata=metadata_of(params),
        name=params.get("name"),
        phone=None,
        preferred_locales=[],
        shipping=None,
        tax_exempt="none",
        test_clock=None,
    )
    account.emit("customer.created", made)
    return made


def update_customer(account: StripeAccount, params: Doc, customer: str) -> Doc:
    doc = account.get("customer", customer)
    settings = params.get("invoice_settings", {})
    if "default_payment_method" in settings:
        doc["invoice_settings"]["default_payment_method"] = settings["default_payment_method"]
    for name in ("email", "name", "description"):
        if name in params:
            doc[name] = params[name] or None
    doc["metadata"] |= metadata_of(params)
    account.emit("customer.updated", doc)
    return doc


def save_card(account: StripeAccount, customer: str | None, card: Card) -> Doc:
    """A payment method; without a customer it pays once and is forgotten."""
    debit = card is Card.SLOW
    made = account.new(
        "pm",
        "payment_method",
        allow_redisplay="unspecified",
        billing_details=billing_details(),
        customer=customer,
        metadata={},
        type="sepa_debit" if debit else "card",
    )
    if debit:
        made["sepa_debit"] = dict.fromkeys(("bank_code", "branch_code", "country", "fingerprint"))
        made["sepa_debit"] |= {"generated_from": None, "last4": "3000"}
    else:
        made["card"] = {
            "brand": "visa", "checks": None, "country": "US", "display_brand": "visa",
            "exp_month": 8, "exp_year": 2034, "fingerprint": "fp", "funding": "credit",
            "generated_from": None, "last4": "4242", "networks": None,
            "regulated_status": "unregulated", "three_d_secure_usage": None, "wallet": None,
        }  # fmt: skip
    account.cards[made["id"]] = card
    return made


def attach(account: StripeAccount, params: Doc, method: str) -> Doc:
    customer = account.get("customer", text(params, "customer"), param="customer")["id"]
    if method in TEST_METHODS:
        made = save_card(account, customer, TEST_METHODS[method])
    else:
        made = account.get("payment_method", method)
        made["customer"] = customer
    account.emit("payment_method.attached", made)
    return made


def detach(account: StripeAccount, params: Doc, method: str) -> Doc:
    made = account.get("payment_method", method)
    made["customer"] = None
    account.emit("payment_method.detached", made)
    return made


def method_for(account: StripeAccount, wanted: str | None, customer: str | None) -> Doc:
    """The payment method by its id or test name, or the customer's last saved one."""
    if wanted in TEST_METHODS:
        return save_card(account, None, TEST_METHODS[wanted])
    if wanted:
        return account.get("payment_method", wanted, param="payment_method")
    default = default_method(account, customer)
    if default is None:
        raise missing("payment_method", "none", param="payment_method")
    return default


def default_method(account: StripeAccount, customer: str | None) -> Doc | None:
    if customer is None:
        return None
    chosen = account.kept[customer]["invoice_settings"]["default_payment_method"]
    if chosen:
        return account.kept[chosen]
    return next(iter(account.all("payment_method", customer=customer)), None)


def billing_details() -> dict[str, Any]:
    return {
        "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    }
