"""Checkout sessions: Stripe's payment page."""

from typing import Any

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.cards import Card
from tests.fakes.stripe.catalogue import create_price, taken_off
from tests.fakes.stripe.customers import metadata_of, save_card
from tests.fakes.stripe.form import number, text
from tests.fakes.stripe.payments import attempt, check_amount, new_intent, succeed
from tests.fakes.stripe.refusals import StripeRefusal, invalid
from tests.fakes.stripe.subscriptions import subscribe

OPEN_S = 86_400  # Stripe's default
ITEMS_MAX = 100


def create_session(account: StripeAccount, params: Doc) -> Doc:
    mode = text(params, "mode")
    if mode not in {"payment", "subscription"}:
        raise invalid("Invalid mode", param="mode")
    if params.get("customer"):
        account.get("customer", params["customer"], param="customer")
    elif mode == "subscription":
        raise invalid("The fake wants a customer for subscriptions", param="customer")
    text(params, "success_url")
    items = _items(account, params, mode)
    subtotal = sum(item["amount"] for item in items)
    coupon = next((it["coupon"] for it in params.get("discounts", []) if "coupon" in it), None)
    off = taken_off(account, coupon, subtotal) if coupon else 0
    if mode == "payment" and subtotal > off:
        check_amount(subtotal - off, items[0]["currency"], param="line_items")
    made = account.new("cs_test", "checkout.session", **_page(params, mode))
    made |= {
        "amount_subtotal": subtotal,
        "amount_total": subtotal - off,
        "currency": items[0]["currency"],
        "discounts": [{"coupon": coupon, "promotion_code": None}] if coupon else [],
        "expires_at": number(params, "expires_at", account.now_s + OPEN_S),
        "total_details": {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0},
        "url": f"{account.url}/pay/{made['id']}",
        "_items": items,
        "_intent_data": params.get("payment_intent_data", {}),
        "_subscription_data": params.get("subscription_data", {}),
    }
    return made


def _items(account: StripeAccount, params: Doc, mode: str) -> list[Doc]:
    given = params.get("line_items", [])
    if not given or len(given) > ITEMS_MAX:
        raise invalid("You must pass line_items", param="line_items")
    items = [_item(account, item) for item in given]
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All line items need the same currency", param="line_items")
    has_plan = any(item["price"]["recurring"] for item in items)
    if has_plan != (mode == "subscription"):
        raise invalid(f"The prices do not fit mode `{mode}`", param="mode")
    return items


def _item(account: StripeAccount, item: Doc) -> Doc:
    if "price_data" in item:
        price = create_price(account, item["price_data"])
    else:
        price = account.get("price", text(item, "price"), param="line_items[0][price]")
    if not price["active"]:
        raise invalid("The price specified is inactive.", param="line_items[0][price]")
    quantity = number(item, "quantity", 1)
    if quantity < 1:
        raise invalid("Invalid quantity", param="line_items[0][quantity]")
    return {
        "price": price,
        "quantity": quantity,
        "amount": price["unit_amount"] * quantity,
        "currency": price["currency"],
    }


def _page(params: Doc, mode: str) -> dict[str, Any]:
    """What does not depend on the items."""
    return {
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "consent": None,
        "consent_collection": None,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": params.get("customer"),
        "customer_creation": None if params.get("customer") else "if_required",
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "invoice": None,
        "invoice_creation": None,
        "locale": None,
        "metadata": metadata_of(params),
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "recovered_from": None,
        "redirect_on_completion": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": params["success_url"],
        "ui_mode": "hosted_page",
    }


def pay_session(account: StripeAccount, session_id: str, card: Card) -> Doc:
    """
    What a person does on the page. A bank's no leaves the page open (and is returned like that).

    A bank's question is answered with yes, because the page asks its customer at once.
    """
    session = _open_session(account, session_id)
    try:
        if session["mode"] == "subscription":
            _start_subscription(account, session, card)
        elif session["amount_total"] == 0:
            session["payment_status"] = "no_payment_required"
        else:
            _pay_once(account, session, card)
    except StripeRefusal as refused:
        if refused.kind != "card_error":
            raise
        return session
    session |= {"status": "complete", "url": None}
    account.emit("checkout.session.completed", session)
    return session


def _pay_once(account: StripeAccount, session: Doc, card: Card) -> None:
    data = session["_intent_data"]
    usage = data.get("setup_future_usage")
    method = save_card(account, None, card)
    intent = account.kept.get(session["payment_intent"] or "") or new_intent(
        account,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        metadata=metadata_of(data),
        setup_future_usage=usage,
    )
    if session["mode"] == "payment":
        session["payment_intent"] = intent["id"]
    attempt(account, intent, method, off_session=False)
    if intent["status"] == "requires_action":
        succeed(account, intent)
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"


def _start_subscription(account: StripeAccount, session: Doc, card: Card) -> None:
    """Nothing begins where the bank says no, as at Stripe's page."""
    if card in {Card.DECLINED, Card.NO_FUNDS}:
        _pay_once(account, session, card)
    method = save_card(account, session["customer"], card)
    coupon = next((it["coupon"] for it in session["discounts"]), None)
    data = session["_subscription_data"]
    made = subscribe(
        account,
        customer=session["customer"],
        items=[(item["price"]["id"], item["quantity"]) for item in session["_items"]],
        method=method["id"],
        coupon=coupon,
        trial_days=number(data, "trial_period_days", 0),
        metadata=metadata_of(data),
        on_page=True,
    )
    session |= {"subscription": made["id"], "invoice": made["latest_invoice"]}
    invoice = account.kept[made["latest_invoice"]]
    if invoice["status"] == "paid":
        session["payment_status"] = "paid" if invoice["total"] else "no_payment_required"


def settle_session(account: StripeAccount, intent: Doc) -> None:
    """The page of a slow payment, which has just come or failed for good."""
    of_intent = account.all("checkout.session", payment_intent=intent["id"])
    paid_by = [it["invoice"] for it in _payments(account, intent)]
    of_invoice = [it for it in account.all("checkout.session") if it["invoice"] in paid_by]
    for session in of_intent + of_invoice:
        paid = intent["status"] == "succeeded"
        session["payment_status"] = "paid" if paid else "unpaid"
        happened = "async_payment_succeeded" if paid else "async_payment_failed"
        account.emit(f"checkout.session.{happened}", session)


def _payments(account: StripeAccount, intent: Doc) -> list[Doc]:
    of_intent = {"type": "payment_intent", "payment_intent": intent["id"]}
    return account.all("invoice_payment", payment=of_intent)


def expire_session(account: StripeAccount, params: Doc, session: str) -> Doc:
    doc = _open_session(account, session)
    doc |= {"status": "expired", "url": None}
    account.emit("checkout.session.expired", doc)
    return doc


def _open_session(account: StripeAccount, session_id: str) -> Doc:
    session = account.get("checkout.session", session_id)
    if session["status"] != "open":
        raise invalid('Only Checkout Sessions with a status in ["open"] can be used.')
    return session
