"""What an invoice, its lines and its payments look like before anything happens to them."""

import secrets
from typing import Any

from tests.fakes.stripe.account import Doc, StripeAccount


def blank_invoice(account: StripeAccount, subscription: Doc, reason: str) -> Doc:
    customer = account.kept[subscription["customer"]]
    now_s = account.now_s
    made = account.new(
        "in",
        "invoice",
        **dict.fromkeys(
            """
            account_country account_name account_tax_ids application automatically_finalizes_at
            custom_fields customer_address customer_name customer_phone customer_shipping
            default_payment_method default_source description due_date effective_at ending_balance
            footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error
            latest_revision next_payment_attempt number on_behalf_of receipt_number rendering
            shipping_cost shipping_details statement_descriptor test_clock webhooks_delivered_at
            """.split()
        ),
        **dict.fromkeys(
            """
            amount_due amount_overpaid amount_paid amount_paid_off_stripe amount_remaining
            amount_shipping attempt_count post_payment_credit_notes_amount
            pre_payment_credit_notes_amount starting_balance subtotal total
            """.split(),
            0,
        ),
        attempted=False,
        auto_advance=True,
        automatic_tax={
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        billing_reason=reason,
        collection_method="charge_automatically",
        currency=subscription["currency"],
        customer=customer["id"],
        customer_email=customer["email"],
        customer_tax_exempt="none",
        customer_tax_ids=[],
        default_tax_rates=[],
        discounts=[],
        issuer={"type": "self"},
        metadata={},
        parent={
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
        },
        payment_settings={
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        period_end=now_s,
        period_start=now_s,
        status="draft",
        status_transitions=dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
        ),
        total_discount_amounts=[],
        total_pretax_credit_amounts=[],
        total_taxes=[],
    )
    url = f"/v1/invoices/{made['id']}/lines"
    made["lines"] = {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": url}
    return made


def line_item(account: StripeAccount, invoice: Doc, subscription: Doc, line: Any) -> Doc:
    """`line` is a `Line` of invoices.py; it belongs to its invoice and is not kept by itself."""
    price = line.price
    return {
        "id": f"il_{secrets.token_hex(10)}",
        "object": "line_item",
        "amount": line.amount,
        "currency": invoice["currency"],
        "description": "A month of a plan",
        "discount_amounts": [],
        "discountable": not line.proration,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": _line_parent(subscription, line),
        "period": {"start": line.start_s, "end": line.end_s},
        "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": line.quantity,
        "quantity_decimal": str(line.quantity),
        "subscription": subscription["id"],
        "subtotal": line.amount,
        "taxes": [],
    }


def _line_parent(subscription: Doc, line: Any) -> Doc:
    """Prorations come from an invoice item, periods from the subscription's item."""
    if line.proration:
        details = {
            "invoice_item": f"ii_{secrets.token_hex(10)}",
            "proration": True,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
        }
        return {
            "type": "invoice_item_details",
            "invoice_item_details": details,
            "subscription_item_details": None,
        }
    return {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": line.item,
        },
    }


def invoice_payment(account: StripeAccount, invoice: Doc, intent: Doc) -> Doc:
    return account.new(
        "inpay",
        "invoice_payment",
        amount_paid=None,
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=True,
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )
