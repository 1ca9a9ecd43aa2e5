"""Payment intents: what is asked of a card, and what its bank answers."""

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.cards import Card
from tests.fakes.stripe.catalogue import currency_of
from tests.fakes.stripe.charges import charge_for
from tests.fakes.stripe.customers import metadata_of, method_for
from tests.fakes.stripe.form import number, truth
from tests.fakes.stripe.refusals import StripeRefusal, card_refused, invalid

AMOUNT_MIN = {"gbp": 30, "pln": 200, "krw": 700, "clp": 500, "vnd": 13_000}
AMOUNT_MIN_ELSE = 50
AMOUNT_MAX = 99_999_999
OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    if amount < AMOUNT_MIN.get(currency, AMOUNT_MIN_ELSE):
        raise invalid("Amount must be at least the minimum", param=param, code="amount_too_small")
    if amount > AMOUNT_MAX:
        raise invalid("Amount is above the maximum", param=param, code="amount_too_large")


def new_intent(
    account: StripeAccount,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    metadata: dict[str, str],
    setup_future_usage: str | None = None,
) -> Doc:
    made = account.new(
        "pi",
        "payment_intent",
        amount=amount,
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        application=None,
        application_fee_amount=None,
        automatic_payment_methods=None,
        canceled_at=None,
        cancellation_reason=None,
        capture_method="automatic_async",
        confirmation_method="automatic",
        currency=currency,
        customer=customer,
        description=None,
        last_payment_error=None,
        latest_charge=None,
        metadata=dict(metadata),
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_options={},
        payment_method_types=["card"],
        payment_record=None,
        processing=None,
        receipt_email=None,
        review=None,
        setup_future_usage=setup_future_usage,
        shipping=None,
        source=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status="requires_payment_method",
        transfer_data=None,
        transfer_group=None,
    )
    made["client_secret"] = f"{made['id']}_secret_of_the_fake"
    account.emit("payment_intent.created", made)
    return made


def create_intent(account: StripeAccount, params: Doc) -> Doc:
    currency, amount = currency_of(params), number(params, "amount")
    check_amount(amount, currency)
    customer = params.get("customer")
    if customer:
        account.get("customer", customer, param="customer")
    confirm = truth(params, "confirm")
    if truth(params, "off_session") and not confirm:
        raise invalid("off_session can only be used with confirm=true", param="off_session")
    wanted = params.get("payment_method")
    method = method_for(account, wanted, customer) if wanted or confirm else None
    intent = new_intent(
        account,
        amount=amount,
        currency=currency,
        customer=customer,
        metadata=metadata_of(params),
        setup_future_usage=params.get("setup_future_usage"),
    )
    if method and not confirm:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if method and confirm:
        attempt(account, intent, method, off_session=truth(params, "off_session"))
    return intent


def confirm_intent(account: StripeAccount, params: Doc, intent: str) -> Doc:
    doc = account.get("payment_intent", intent)
    if doc["status"] not in OPEN:
        raise _unexpected_state(doc)
    wanted = params.get("payment_method") or doc["payment_method"]
    method = method_for(account, wanted, doc["customer"])
    return attempt(account, doc, method, off_session=truth(params, "off_session"))


def cancel_intent(account: StripeAccount, params: Doc, intent: str) -> Doc:
    doc = account.get("payment_intent", intent)
    if doc["status"] not in OPEN:
        raise _unexpected_state(doc)
    doc |= {"status": "canceled", "canceled_at": account.now_s, "next_action": None}
    account.emit("payment_intent.canceled", doc)
    return doc


def attempt(account: StripeAccount, intent: Doc, method: Doc, *, off_session: bool) -> Doc:
    """Asks the bank. Raises a 402 for a no, which leaves the intent open for another card."""
    card = account.cards[method["id"]]
    intent |= {"payment_method": method["id"], "payment_method_types": [method["type"]]}
    if card is Card.PAYS:
        return succeed(account, intent)
    if card is Card.SLOW:
        intent["status"] = "processing"
        _charged(account, intent, "pending")
        account.emit("payment_intent.processing", intent)
        return intent
    if card is Card.ASKS_OWNER and not off_session:
        intent |= {"status": "requires_action", "next_action": _at_the_bank(account, intent)}
        account.emit("payment_intent.requires_action", intent)
        return intent
    raise refuse(account, intent, card)


def succeed(account: StripeAccount, intent: Doc) -> Doc:
    """The money is there, at once or after days."""
    charge = account.kept.get(intent["latest_charge"] or "")
    if charge is None or charge["status"] != "pending":
        charge = _charged(account, intent, "succeeded")
    charge |= {"status": "succeeded", "paid": True, "amount_captured": charge["amount"]}
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "next_action": None,
        "last_payment_error": None,
    }
    method = account.kept[intent["payment_method"]]
    if intent["setup_future_usage"] and method["customer"] is None:
        method["customer"] = intent["customer"]
        account.emit("payment_method.attached", method)
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)
    return intent


def refuse(account: StripeAccount, intent: Doc, card: Card) -> StripeRefusal:
    """The answer for a bank's no; the charge that failed stays visible."""
    code = "authentication_required" if card is Card.ASKS_OWNER else "card_declined"
    charge = account.kept.get(intent["latest_charge"] or "")
    if charge is None or charge["status"] != "pending":
        charge = _charged(account, intent, "failed")
    charge |= {"status": "failed", "failure_code": code, "failure_message": "declined"}
    refused = card_refused(code, decline_code=card.value, intent=intent)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": {
            "type": "card_error",
            "code": code,
            "decline_code": card.value,
            "charge": charge["id"],
            "message": "Your card was declined.",
        },
    }
    account.emit("charge.failed", charge)
    account.emit("payment_intent.payment_failed", intent)
    return refused


def settle_slow(account: StripeAccount, intent_id: str, *, pays: bool) -> Doc:
    """The bank debit arrives, or does not."""
    intent = account.get("payment_intent", intent_id)
    if intent["status"] != "processing":
        raise _unexpected_state(intent)
    if pays:
        return succeed(account, intent)
    refuse(account, intent, Card.NO_FUNDS)
    return intent


def owner_confirms(account: StripeAccount, intent_id: str) -> Doc:
    """The owner of the card answers the bank's question with yes."""
    intent = account.get("payment_intent", intent_id)
    if intent["status"] != "requires_action":
        raise _unexpected_state(intent)
    return succeed(account, intent)


def _charged(account: StripeAccount, intent: Doc, status: str) -> Doc:
    charge = charge_for(account, intent, status)
    intent["latest_charge"] = charge["id"]
    return charge


def _at_the_bank(account: StripeAccount, intent: Doc) -> Doc:
    url = f"{account.url}/bank/{intent['id']}"
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": None, "url": url}}


def _unexpected_state(intent: Doc) -> StripeRefusal:
    return invalid(
        f"This PaymentIntent's status is {intent['status']}.",
        param="intent",
        code="payment_intent_unexpected_state",
    )
