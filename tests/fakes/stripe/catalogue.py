"""Products, prices and coupons."""

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.customers import metadata_of
from tests.fakes.stripe.form import number, text, truth
from tests.fakes.stripe.refusals import invalid

CURRENCIES = frozenset({"usd", "eur", "gbp", "chf", "pln", "jpy", "krw", "clp", "vnd"})
ZERO_DECIMAL = frozenset({"jpy", "krw", "clp", "vnd"})


def create_product(account: StripeAccount, params: Doc) -> Doc:
    made = account.new(
        "prod",
        "product",
        active=truth(params, "active", default=True),
        default_price=None,
        description=params.get("description"),
        images=[],
        marketing_features=[],
        metadata=metadata_of(params),
        name=text(params, "name"),
        package_dimensions=None,
        shippable=None,
        statement_descriptor=None,
        tax_code=None,
        type="service",
        unit_label=None,
        updated=account.now_s,
        url=None,
    )
    account.emit("product.created", made)
    return made


def currency_of(params: Doc) -> str:
    currency = text(params, "currency").lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    return currency


def create_price(account: StripeAccount, params: Doc) -> Doc:
    """Of a product that exists, or that is made on the way (`product_data`)."""
    if "product_data" in params:
        product = create_product(account, params["product_data"])["id"]
    else:
        product = account.get("product", text(params, "product"), param="product")["id"]
    unit_amount = number(params, "unit_amount")
    if unit_amount < 0:
        raise invalid("Invalid non-negative integer", param="unit_amount")
    made = account.new(
        "price",
        "price",
        active=truth(params, "active", default=True),
        billing_scheme="per_unit",
        currency=currency_of(params),
        custom_unit_amount=None,
        lookup_key=params.get("lookup_key"),
        metadata=metadata_of(params),
        nickname=params.get("nickname"),
        product=product,
        recurring=_recurring(params.get("recurring")),
        tax_behavior="unspecified",
        tiers_mode=None,
        transform_quantity=None,
        type="recurring" if params.get("recurring") else "one_time",
        unit_amount=unit_amount,
        unit_amount_decimal=str(unit_amount),
    )
    account.emit("price.created", made)
    return made


def _recurring(given: Doc | None) -> Doc | None:
    if not given:
        return None
    if given.get("interval") not in {"month", "year"}:
        raise invalid("Invalid recurring[interval]", param="recurring[interval]")
    return {
        "interval": given["interval"],
        "interval_count": number(given, "interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def months_of(price: Doc) -> int:
    """The length of a period."""
    recurring: Doc = price["recurring"]
    count: int = recurring["interval_count"]
    return count * (12 if recurring["interval"] == "year" else 1)


def create_coupon(account: StripeAccount, params: Doc) -> Doc:
    made = account.new(
        "coupon",
        "coupon",
        amount_off=number(params, "amount_off") if "amount_off" in params else None,
        currency=currency_of(params) if "amount_off" in params else None,
        duration=params.get("duration", "once"),
        duration_in_months=None,
        max_redemptions=None,
        metadata=metadata_of(params),
        name=params.get("name"),
        percent_off=float(params["percent_off"]) if "percent_off" in params else None,
        redeem_by=None,
        times_redeemed=0,
        valid=True,
    )
    if (made["amount_off"] is None) == (made["percent_off"] is None):
        raise invalid("You must pass either amount_off or percent_off", param="percent_off")
    if "id" in params:
        del account.kept[made["id"]]
        made["id"] = params["id"]
        account.kept[made["id"]] = made
    account.emit("coupon.created", made)
    return made


def taken_off(account: StripeAccount, coupon_id: str, amount: int) -> int:
    """What the coupon takes from this amount, rounded half up as Stripe does."""
    coupon = account.get("coupon", coupon_id, param="discounts[0][coupon]")
    if not coupon["valid"]:
        raise invalid("This coupon has expired.", param="discounts[0][coupon]")
    if coupon["amount_off"] is not None:
        return min(amount, int(coupon["amount_off"]))
    return min(amount, int(amount * coupon["percent_off"] / 100 + 0.5))
