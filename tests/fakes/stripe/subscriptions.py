"""Subscriptions: begin, change, renew, end."""

from collections.abc import Sequence

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.catalogue import months_of
from tests.fakes.stripe.customers import metadata_of
from tests.fakes.stripe.form import number, text, truth
from tests.fakes.stripe.invoices import DRAFT_S, Line, draft, finalize, void
from tests.fakes.stripe.refusals import invalid
from tests.fakes.stripe.subscription_shapes import blank_subscription, discount, item_of
from tests.fakes.stripe.timeline import DAY_S, month_later

RUNNING = frozenset({"trialing", "active", "past_due", "unpaid"})
PRORATIONS = frozenset({"create_prorations", "always_invoice", "none"})


def subscribe(
    account: StripeAccount,
    *,
    customer: str,
    items: Sequence[tuple[str, int]],
    method: str | None,
    coupon: str | None,
    trial_days: int,
    metadata: dict[str, str],
    on_page: bool,
) -> Doc:
    """
    `items` are prices and quantities. On a page the owner of the card answers the bank's
    question; a bank's no leaves the subscription `incomplete`.
    """
    prices = [(account.get("price", price, param="price"), count) for price, count in items]
    if any(price["recurring"] is None for price, _ in prices):
        raise invalid("The price is not recurring", param="items[0][price]")
    now_s = account.now_s
    end_s = (
        now_s + trial_days * DAY_S
        if trial_days
        else month_later(now_s, now_s, months_of(prices[0][0]))
    )
    made = blank_subscription(
        account,
        customer=customer,
        currency=prices[0][0]["currency"],
        method=method,
        metadata=metadata,
    )
    made["items"]["data"] = [
        item_of(made, price, count, now_s=now_s, start_s=now_s, end_s=end_s)
        for price, count in prices
    ]
    if trial_days:
        made |= {"trial_start": now_s, "trial_end": end_s, "billing_cycle_anchor": end_s}
        made["status"] = "trialing"
    if coupon:
        made["discounts"] = [discount(account, made, coupon)["id"]]
    invoice = draft(account, made, reason="subscription_create", lines=_period_lines(made))
    account.emit("customer.subscription.created", made)
    finalize(account, invoice, may_ask=on_page)
    return made


def create(account: StripeAccount, params: Doc) -> Doc:
    customer = account.get("customer", text(params, "customer"), param="customer")
    given = params.get("items") or []
    if not given:
        raise invalid("Missing required param: items.", param="items", code="parameter_missing")
    coupon = next((it["coupon"] for it in params.get("discounts", []) if "coupon" in it), None)
    return subscribe(
        account,
        customer=customer["id"],
        items=[(text(item, "price"), number(item, "quantity", 1)) for item in given],
        method=params.get("default_payment_method"),
        coupon=coupon,
        trial_days=number(params, "trial_period_days", 0),
        metadata=metadata_of(params),
        on_page=False,
    )


def update(account: StripeAccount, params: Doc, subscription: str) -> Doc:
    """Another price now, with Stripe's prorations; or an end, or its taking back."""
    doc = account.get("subscription", subscription)
    if doc["status"] not in RUNNING:
        raise invalid("A canceled subscription cannot be changed", code="resource_missing")
    doc["metadata"] |= metadata_of(params)
    if "default_payment_method" in params:
        doc["default_payment_method"] = params["default_payment_method"]
    if "cancel_at_period_end" in params:
        ends = truth(params, "cancel_at_period_end")
        until_s = doc["items"]["data"][0]["current_period_end"]
        doc |= {"cancel_at_period_end": ends, "cancel_at": until_s if ends else None}
        doc["canceled_at"] = account.now_s if ends else None
    if "cancel_at" in params:
        at_s = int(params["cancel_at"]) if params["cancel_at"] else None
        doc |= {"cancel_at": at_s, "canceled_at": account.now_s if at_s else None}
        doc["cancel_at_period_end"] = False
    for change in params.get("items", []):
        how = params.get("proration_behavior", "create_prorations")
        if how not in PRORATIONS:
            raise invalid("Invalid proration_behavior", param="proration_behavior")
        _change_item(account, doc, change, how)
    account.emit("customer.subscription.updated", doc)
    return doc


def _change_item(account: StripeAccount, subscription: Doc, change: Doc, how: str) -> None:
    item = next(it for it in subscription["items"]["data"] if it["id"] == text(change, "id"))
    new = account.get("price", text(change, "price"), param="items[0][price]")
    if months_of(new) != months_of(item["price"]):
        raise invalid("The fake changes only between prices of one interval")
    start_s, end_s = item["current_period_start"], item["current_period_end"]
    now_s = account.now_s
    old, count = item["price"], item["quantity"]
    many = number(change, "quantity", count)
    fresh = item_of(subscription, new, many, now_s=now_s, start_s=start_s, end_s=end_s)
    fresh["id"] = item["id"]
    item |= fresh
    if how == "none" or subscription["status"] == "trialing":
        return
    left = (end_s - now_s) / (end_s - start_s)
    subscription["_pending"] += [
        Line(
            price=price,
            quantity=many,
            amount=sign * round(price["unit_amount"] * many * left),
            start_s=now_s,
            end_s=end_s,
            item=item["id"],
            proration=True,
        )
        for sign, price, many in ((-1, old, count), (1, new, item["quantity"]))
    ]
    if how == "always_invoice":
        finalize(account, draft(account, subscription, reason="subscription_update", lines=[]))


def cancel(account: StripeAccount, params: Doc, subscription: str) -> Doc:
    """Now."""
    doc = account.get("subscription", subscription)
    now_s = account.now_s
    doc |= {"status": "canceled", "ended_at": now_s, "canceled_at": doc["canceled_at"] or now_s}
    doc["cancellation_details"] = {
        "comment": None,
        "feedback": None,
        "reason": "cancellation_requested",
    }
    account.emit("customer.subscription.deleted", doc)
    return doc


def roll(account: StripeAccount, subscription: Doc) -> None:
    """The end of a period: the end of all, or the next period and its invoice, an hour a draft."""
    ends = subscription["cancel_at"]
    if ends and ends <= account.now_s:
        cancel(account, {}, subscription["id"])
        return
    for item in subscription["items"]["data"]:
        start_s = item["current_period_end"]
        anchor_s = subscription["billing_cycle_anchor"]
        item["current_period_start"] = start_s
        item["current_period_end"] = month_later(start_s, anchor_s, months_of(item["price"]))
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    invoice = draft(
        account, subscription, reason="subscription_cycle", lines=_period_lines(subscription)
    )
    invoice["automatically_finalizes_at"] = account.now_s + DRAFT_S
    account.emit("customer.subscription.updated", subscription)


def give_up(account: StripeAccount, subscription: Doc) -> None:
    """After the last attempt to be paid, or when the first payment never came."""
    if subscription["status"] != "incomplete":
        cancel(account, {}, subscription["id"])
        subscription["cancellation_details"]["reason"] = "payment_failed"
        return
    subscription |= {"status": "incomplete_expired", "ended_at": account.now_s}
    void(account, {}, subscription["latest_invoice"])
    account.emit("customer.subscription.updated", subscription)


def _period_lines(subscription: Doc) -> list[Line]:
    """A trial's cost nothing."""
    free = subscription["status"] == "trialing"
    return [
        Line(
            price=item["price"],
            quantity=item["quantity"],
            amount=0 if free else item["price"]["unit_amount"] * item["quantity"],
            start_s=item["current_period_start"],
            end_s=item["current_period_end"],
            item=item["id"],
        )
        for item in subscription["items"]["data"]
    ]
