"""What a subscription, its items and its discounts look like at their start."""

import secrets

from tests.fakes.stripe.account import Doc, StripeAccount


def blank_subscription(
    account: StripeAccount,
    *,
    customer: str,
    currency: str,
    method: str | None,
    metadata: dict[str, str],
) -> Doc:
    now_s = account.now_s
    made = account.new(
        "sub",
        "subscription",
        **dict.fromkeys(
            """
            application application_fee_percent billing_cycle_anchor_config billing_thresholds
            cancel_at canceled_at days_until_due default_source description ended_at
            latest_invoice next_pending_invoice_item_invoice on_behalf_of pause_collection
            pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock
            transfer_data trial_end trial_start
            """.split()
        ),
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=now_s,
        billing_mode={"type": "flexible", "flexible": None, "updated_at": now_s},
        billing_schedules=[],
        cancel_at_period_end=False,
        cancellation_details=dict.fromkeys(("comment", "feedback", "reason")),
        collection_method="charge_automatically",
        currency=currency,
        customer=customer,
        default_payment_method=method,
        default_tax_rates=[],
        discounts=[],
        invoice_settings={
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        metadata=dict(metadata),
        payment_settings={
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        start_date=now_s,
        status="incomplete",
        trial_settings={"end_behavior": {"missing_payment_method": "create_invoice"}},
        _pending=[],
    )
    url = f"/v1/subscription_items?subscription={made['id']}"
    made["items"] = {"object": "list", "data": [], "has_more": False, "total_count": 1, "url": url}
    return made


def item_of(
    subscription: Doc, price: Doc, quantity: int, *, now_s: int, start_s: int, end_s: int
) -> Doc:
    """It belongs to its subscription and is not kept by itself."""
    return {
        "id": f"si_{secrets.token_hex(10)}",
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now_s,
        "current_period_end": end_s,
        "current_period_start": start_s,
        "discounts": [],
        "metadata": {},
        "plan": _plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription["id"],
        "tax_rates": [],
    }


def _plan_of(price: Doc) -> Doc:
    """The price in the words of before 2020, which Stripe still adds."""
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": None,
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def discount(account: StripeAccount, subscription: Doc, coupon: str) -> Doc:
    account.get("coupon", coupon, param="discounts[0][coupon]")
    made = account.new(
        "di",
        "discount",
        checkout_session=None,
        customer=subscription["customer"],
        end=None,
        invoice=None,
        invoice_item=None,
        promotion_code=None,
        source={"coupon": coupon, "type": "coupon"},
        start=account.now_s,
        subscription=subscription["id"],
        subscription_item=None,
    )
    del made["created"], made["livemode"]  # discounts have none
    return made
