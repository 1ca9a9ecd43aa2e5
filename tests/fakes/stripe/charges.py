"""Charges, and the money that goes back: refunds and disputes."""

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.customers import billing_details, metadata_of
from tests.fakes.stripe.form import number
from tests.fakes.stripe.refusals import StripeRefusal, invalid

TOOK_NOTHING = frozenset({"won", "warning_closed"})
EVIDENCE = """
access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
cancellation_rebuttal customer_communication customer_email_address customer_name
customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation
duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure
refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier
shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text
""".split()


def charge_for(account: StripeAccount, intent: Doc, status: str) -> Doc:
    """With the intent's metadata, as Stripe copies them."""
    paid = status == "succeeded"
    made = account.new(
        "ch",
        "charge",
        amount=intent["amount"],
        amount_captured=intent["amount"] if paid else 0,
        amount_refunded=0,
        application=None,
        application_fee=None,
        application_fee_amount=None,
        balance_transaction=None,
        billing_details=billing_details(),
        calculated_statement_descriptor="FAKE",
        captured=status != "failed",
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        fraud_details={},
        metadata=dict(intent["metadata"]),
        on_behalf_of=None,
        outcome=None,
        paid=paid,
        payment_intent=intent["id"],
        payment_method=intent["payment_method"],
        payment_method_details=None,
        receipt_email=None,
        receipt_number=None,
        refunded=False,
        review=None,
        shipping=None,
        source=None,
        source_transfer=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status=status,
        transfer=None,
        transfer_data=None,
        transfer_group=None,
    )
    made["receipt_url"] = f"{account.url}/receipts/{made['id']}"
    return made


def create_refund(account: StripeAccount, params: Doc) -> Doc:
    """All of what is left, or `amount` of it."""
    charge = _charge_named(account, params)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise _not_refundable(charge, "has already been refunded", "charge_already_refunded")
    if charge["disputed"]:
        raise _not_refundable(charge, "has been charged back", "charge_disputed")
    if not charge["paid"]:
        raise _not_refundable(charge, "is not paid", "charge_not_refundable")
    amount = number(params, "amount", left)
    if not 0 < amount <= left:
        raise invalid("Refund amount is greater than unrefunded amount", param="amount")
    made = account.new(
        "re",
        "refund",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        customer=charge["customer"],
        metadata=metadata_of(params),
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
        pending_reason=None,
        reason=params.get("reason"),
        receipt_number=None,
        source_transfer_reversal=None,
        status="succeeded",
        transfer_reversal=None,
    )
    del made["livemode"]  # refunds have none
    _refunded(charge, amount)
    account.emit("refund.created", made)
    account.emit("charge.refunded", charge)
    return made


def fail_refund(account: StripeAccount, refund_id: str) -> Doc:
    """The bank sends the money back to us, days later."""
    refund = account.get("refund", refund_id)
    refund |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    charge = account.kept[refund["charge"]]
    _refunded(charge, -refund["amount"])
    account.emit("refund.failed", refund)
    account.emit("charge.refund.updated", refund)
    return refund


def open_dispute(
    account: StripeAccount, charge_id: str, *, amount: int | None, inquiry: bool, reason: str
) -> Doc:
    """Takes the money at once, unless it is a bank's inquiry."""
    charge = account.get("charge", charge_id)
    made = account.new(
        "du",
        "dispute",
        amount=charge["amount"] if amount is None else amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence=dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        evidence_details={
            "due_by": account.now_s + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        is_charge_refundable=inquiry,
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
    )
    charge["disputed"] = True
    account.emit("charge.dispute.created", made)
    if not inquiry:
        account.emit("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(account: StripeAccount, dispute_id: str, *, won: bool) -> Doc:
    dispute = account.get("dispute", dispute_id)
    if dispute["status"].startswith("warning"):
        dispute["status"] = "warning_closed"
    else:
        dispute["status"] = "won" if won else "lost"
    if dispute["status"] == "won":
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.emit("charge.dispute.closed", dispute)
    return dispute


def update_dispute(account: StripeAccount, params: Doc, dispute: str) -> Doc:
    """Evidence arrives; `submit` sends it to the bank."""
    doc = account.get("dispute", dispute)
    unknown = set(params.get("evidence", {})) - set(doc["evidence"])
    if unknown:
        raise invalid(f"Received unknown parameter: {unknown}", param="evidence")
    doc["evidence"] |= params.get("evidence", {})
    doc["evidence_details"]["has_evidence"] = True
    if params.get("submit", "true") == "true":
        doc["evidence_details"]["submission_count"] += 1
        doc["status"] = doc["status"].replace("needs_response", "under_review")
    account.emit("charge.dispute.updated", doc)
    return doc


def _refunded(charge: Doc, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


def _charge_named(account: StripeAccount, params: Doc) -> Doc:
    if "charge" in params:
        return account.get("charge", params["charge"], param="charge")
    wanted = params.get("payment_intent", "")
    intent = account.get("payment_intent", wanted, param="payment_intent")
    return account.get("charge", intent["latest_charge"] or "none", param="payment_intent")


def _not_refundable(charge: Doc, why: str, code: str) -> StripeRefusal:
    return invalid(f"Charge {charge['id']} {why}.", code=code)
