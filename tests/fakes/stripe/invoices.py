"""Invoices of subscriptions: from draft over open to paid, and what happens when they are not."""

from dataclasses import dataclass

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.cards import Card
from tests.fakes.stripe.catalogue import taken_off
from tests.fakes.stripe.customers import default_method, method_for
from tests.fakes.stripe.invoice_shapes import blank_invoice, invoice_payment, line_item
from tests.fakes.stripe.payments import attempt, new_intent, succeed
from tests.fakes.stripe.refusals import StripeRefusal, invalid
from tests.fakes.stripe.timeline import DAY_S

DRAFT_S = 3_600  # Stripe leaves a renewal's invoice open to changes for an hour
RETRIES_AFTER_S = (3 * DAY_S, 5 * DAY_S, 7 * DAY_S)  # then the subscription ends
LIVE = frozenset({"active", "past_due", "unpaid", "incomplete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`amount` before discounts, negative where a proration gives back."""

    price: Doc
    quantity: int
    amount: int
    start_s: int
    end_s: int
    item: str
    proration: bool = False


def draft(account: StripeAccount, subscription: Doc, *, reason: str, lines: list[Line]) -> Doc:
    """With the prorations that wait for an invoice; the first-month coupon is used up by it."""
    waiting, subscription["_pending"] = subscription["_pending"], []
    made = blank_invoice(account, subscription, reason)
    made["lines"]["data"] = [line_item(account, made, subscription, it) for it in waiting + lines]
    made["lines"]["total_count"] = len(waiting + lines)
    made["subtotal"] = sum(line["amount"] for line in made["lines"]["data"])
    off = _discount(account, subscription, made)
    total = made["subtotal"] - off
    made |= {"total": total, "amount_due": max(0, total), "amount_remaining": max(0, total)}
    made |= {"total_excluding_tax": total, "subtotal_excluding_tax": made["subtotal"]}
    subscription["latest_invoice"] = made["id"]
    account.emit("invoice.created", made)
    return made


def finalize(account: StripeAccount, invoice: Doc, *, may_ask: bool = False) -> Doc:
    """
    Takes the customer's credit into account and asks the card for the rest.

    `may_ask` where the owner of the card sits before the page and answers the bank.
    """
    customer = account.kept[invoice["customer"]]
    due = invoice["total"] + customer["balance"]
    customer["balance"] = min(0, due)
    number = f"{customer['invoice_prefix']}-{len(account.kinds['invoice']):04d}"
    invoice |= {
        "status": "open",
        "number": number,
        "starting_balance": due - invoice["total"],
        "ending_balance": customer["balance"],
        "amount_due": max(0, due),
        "amount_remaining": max(0, due),
        "automatically_finalizes_at": None,
        "effective_at": account.now_s,
        "hosted_invoice_url": f"{account.url}/invoices/{invoice['id']}",
        "invoice_pdf": f"{account.url}/invoices/{invoice['id']}/pdf",
    }
    invoice["status_transitions"]["finalized_at"] = account.now_s
    account.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        _paid(account, invoice)
    else:
        collect(account, invoice, may_ask=may_ask)
    return invoice


def collect(account: StripeAccount, invoice: Doc, *, may_ask: bool = False) -> StripeRefusal | None:
    """Asks the customer's card once. The bank's no is returned, and noted in all it concerns."""
    payment = _payment_of(account, invoice)
    intent = account.kept[payment["payment"]["payment_intent"]]
    method = _method(account, invoice)
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    try:
        if method is None:
            raise invalid("There is no card", code="resource_missing")
        attempt(account, intent, method, off_session=not may_ask)
    except StripeRefusal as refused:
        _unpaid(account, invoice)
        return refused
    if intent["status"] == "requires_action":
        succeed(account, intent)
    if intent["status"] == "succeeded":
        settle(account, intent)
    return None


def settle(account: StripeAccount, intent: Doc) -> None:
    """What an intent's end means for the invoice it pays, if it pays one."""
    payment = account.kept.get(intent.get("_invoice_payment", ""))
    if payment is None or payment["status"] != "open":
        return
    invoice = account.kept[payment["invoice"]]
    if intent["status"] != "succeeded":
        _unpaid(account, invoice)
    else:
        payment |= {"status": "paid", "amount_paid": intent["amount"]}
        payment["status_transitions"]["paid_at"] = account.now_s
        account.emit("invoice_payment.paid", payment)
        _paid(account, invoice)


def pay(account: StripeAccount, params: Doc, invoice: str) -> Doc:
    """By the API or by hand on the hosted page."""
    doc = account.get("invoice", invoice)
    if doc["status"] == "draft":
        return finalize(account, doc)
    if doc["status"] != "open":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if refused := collect(account, doc):
        raise refused
    return doc


def void(account: StripeAccount, params: Doc, invoice: str) -> Doc:
    doc = account.get("invoice", invoice)
    if doc["status"] not in {"open", "uncollectible"}:
        raise invalid("Only open invoices can be voided")
    doc |= {"status": "void", "next_payment_attempt": None}
    doc["status_transitions"]["voided_at"] = account.now_s
    account.emit("invoice.voided", doc)
    return doc


def retry(account: StripeAccount, invoice: Doc) -> bool:
    """One of Stripe's own later attempts. False after the last one."""
    card = _method(account, invoice)
    asks = card is not None and account.cards[card["id"]] is Card.ASKS_OWNER
    if collect(account, invoice) and invoice["next_payment_attempt"] is None:
        return False
    if asks:
        account.emit("invoice.payment_action_required", invoice)
    return True


def _paid(account: StripeAccount, invoice: Doc) -> None:
    invoice |= {
        "status": "paid",
        "attempted": True,
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "next_payment_attempt": None,
        "auto_advance": False,
    }
    invoice["status_transitions"]["paid_at"] = account.now_s
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)
    _stand(account, invoice, "active", after={"past_due", "unpaid", "incomplete"})


def _unpaid(account: StripeAccount, invoice: Doc) -> None:
    tried = invoice["attempt_count"]
    first = invoice["billing_reason"] == "subscription_create"
    later = None if first or tried > len(RETRIES_AFTER_S) else RETRIES_AFTER_S[tried - 1]
    invoice["next_payment_attempt"] = later and account.now_s + later
    account.emit("invoice.payment_failed", invoice)
    _stand(account, invoice, "past_due", after={"active"})


def _stand(account: StripeAccount, invoice: Doc, status: str, *, after: set[str]) -> None:
    """The subscription's standing follows its latest invoice."""
    subscription = account.kept.get(invoice["parent"]["subscription_details"]["subscription"])
    if subscription is None or subscription["status"] not in after:
        return
    if status == "active" and subscription["latest_invoice"] != invoice["id"]:
        return
    subscription["status"] = status
    account.emit("customer.subscription.updated", subscription)


def _payment_of(account: StripeAccount, invoice: Doc) -> Doc:
    if "_payment" in invoice:
        return account.kept[invoice["_payment"]]
    intent = new_intent(
        account,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        metadata={},  # Stripe copies none
    )
    made = invoice_payment(account, invoice, intent)
    invoice["_payment"] = intent["_invoice_payment"] = made["id"]
    return made


def _method(account: StripeAccount, invoice: Doc) -> Doc | None:
    subscription = account.kept[invoice["parent"]["subscription_details"]["subscription"]]
    chosen = subscription["default_payment_method"]
    if chosen:
        return method_for(account, chosen, invoice["customer"])
    return default_method(account, invoice["customer"])


def _discount(account: StripeAccount, subscription: Doc, invoice: Doc) -> int:
    """Takes the coupon's part off each line that may have it."""
    total = 0
    for discount_id in list(subscription["discounts"]):
        coupon = account.kept[discount_id]["source"]["coupon"]
        lines = [line for line in invoice["lines"]["data"] if line["amount"] > 0]
        taken = [taken_off(account, coupon, line["amount"]) for line in lines]
        if not sum(taken):
            continue
        for line, amount in zip(lines, taken, strict=True):
            line["discount_amounts"] = [{"amount": amount, "discount": discount_id}]
        total += sum(taken)
        account.kept[coupon]["times_redeemed"] += 1
        if account.kept[coupon]["duration"] == "once":
            subscription["discounts"].remove(discount_id)
        invoice["discounts"].append(discount_id)
        amounts = {"amount": sum(taken), "discount": discount_id}
        invoice["total_discount_amounts"].append(amounts)
    return total
