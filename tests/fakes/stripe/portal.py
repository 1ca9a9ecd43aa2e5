"""The customer's own page."""

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.form import text


def create_portal(account: StripeAccount, params: Doc) -> Doc:
    customer = account.get("customer", text(params, "customer"), param="customer")
    made = account.new(
        "bps",
        "billing_portal.session",
        configuration="bpc_of_the_fake",
        customer=customer["id"],
        flow=None,
        locale=None,
        on_behalf_of=None,
        return_url=params.get("return_url"),
    )
    made["url"] = f"{account.url}/portal/{made['id']}"
    return made
