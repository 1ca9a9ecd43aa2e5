"""What people do at Stripe, not through its API: pay on its pages, dispute, wait."""

from html import escape
from typing import Any

from aiohttp import web

from tests.fakes.stripe import catalogue, charges, checkout, invoices, payments, subscriptions
from tests.fakes.stripe.account import Doc, StripeAccount, shown
from tests.fakes.stripe.cards import Card
from tests.fakes.stripe.clockwork import advance
from tests.fakes.stripe.customers import save_card
from tests.fakes.stripe.refusals import StripeRefusal

PAGE = """<!doctype html><html lang="en"><title>Pay</title><body><h1>Fake Stripe</h1>
<form method="post"><button id="pay">Pay</button></form>
<a id="cancel" href="{cancel_url}">Back</a></body></html>"""


class Desk:
    """Every method is `POST /_test/NAME` with its arguments as JSON, too. All return the object."""

    def __init__(self, account: StripeAccount) -> None:
        self.account = account

    def pay_checkout(self, checkout_id: str, card: str = "pays") -> Doc:
        """`card` is a name of `Card`, in small letters. A refusal leaves the page open."""
        return checkout.pay_session(self.account, checkout_id, Card[card.upper()])

    def expire_checkout(self, checkout_id: str) -> Doc:
        return checkout.expire_session(self.account, {}, checkout_id)

    def settle(self, payment_intent: str, *, pays: bool = True) -> Doc:
        """A slow payment comes, or fails."""
        intent = payments.settle_slow(self.account, payment_intent, pays=pays)
        invoices.settle(self.account, intent)
        checkout.settle_session(self.account, intent)
        return intent

    def authenticate(self, payment_intent: str) -> Doc:
        """The owner of the card says yes to the bank."""
        return payments.owner_confirms(self.account, payment_intent)

    def save_card(self, customer: str, card: str = "pays") -> Doc:
        self.account.get("customer", customer)
        return save_card(self.account, customer, Card[card.upper()])

    def bank_says(self, customer: str, card: str) -> None:
        """From now on, of all cards this customer saved."""
        for method in self.account.all("payment_method", customer=customer):
            self.account.cards[method["id"]] = Card[card.upper()]

    def refund(self, charge: str, amount: int | None = None) -> Doc:
        """In the smallest unit; all that is left without."""
        wanted = {"charge": charge} | ({} if amount is None else {"amount": str(amount)})
        return charges.create_refund(self.account, wanted)

    def fail_refund(self, refund: str) -> Doc:
        return charges.fail_refund(self.account, refund)

    def open_dispute(
        self,
        charge: str,
        *,
        amount: int | None = None,
        inquiry: bool = False,
        reason: str = "fraudulent",
    ) -> Doc:
        """An inquiry takes no money yet."""
        return charges.open_dispute(
            self.account, charge, amount=amount, inquiry=inquiry, reason=reason
        )

    def close_dispute(self, dispute: str, *, won: bool) -> Doc:
        return charges.close_dispute(self.account, dispute, won=won)

    def pay_invoice(self, invoice: str) -> Doc:
        """By hand on its page. Raises StripeRefusal for the bank's no."""
        return invoices.pay(self.account, {}, invoice)

    def change_plan(self, subscription: str, price: str, how: str = "always_invoice") -> Doc:
        """In the portal; `how` is Stripe's proration_behavior: always_invoice, none, ..."""
        item = self.account.get("subscription", subscription)["items"]["data"][0]["id"]
        change = {"items": [{"id": item, "price": price}], "proration_behavior": how}
        return subscriptions.update(self.account, change, subscription)

    def cancel_plan(self, subscription: str, *, at_once: bool = False) -> Doc:
        """In the portal: at the end of the period, as `cancel_at` alone."""
        if at_once:
            return subscriptions.cancel(self.account, {}, subscription)
        doc = self.account.get("subscription", subscription)
        end_s = doc["items"]["data"][0]["current_period_end"]
        return subscriptions.update(self.account, {"cancel_at": str(end_s)}, subscription)

    def resume_plan(self, subscription: str) -> Doc:
        return subscriptions.update(self.account, {"cancel_at": ""}, subscription)

    def price(self, unit_amount: int, *, currency: str = "usd", every: str | None = None) -> str:
        """The id of a new price; `every` is month or year for a plan."""
        wanted: Doc = {"unit_amount": str(unit_amount), "currency": currency}
        wanted |= {"product_data": {"name": "A product"}}
        wanted |= {"recurring": {"interval": every}} if every else {}
        price: str = catalogue.create_price(self.account, wanted)["id"]
        return price

    def coupon(self, *, percent_off: float, duration: str = "once") -> str:
        wanted = {"percent_off": str(percent_off), "duration": duration}
        coupon: str = catalogue.create_coupon(self.account, wanted)["id"]
        return coupon

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> int:
        """Time passes at Stripe, and what falls due happens. How many things did."""
        return advance(self.account, days * 86_400 + hours * 3_600 + seconds)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_test/{name}", self._asked),
            web.get("/pay/{checkout}", self._page),
            web.post("/pay/{checkout}", self._paid),
        ]

    async def _asked(self, request: web.Request) -> web.Response:
        action = getattr(self, request.match_info["name"], None)
        if action is None or request.match_info["name"].startswith("_"):
            raise web.HTTPNotFound
        given = await request.json() if request.can_read_body else {}
        try:
            answer: Any = action(**given)
        except StripeRefusal as refused:
            return web.json_response(refused.body, status=refused.status)
        return web.json_response(shown(answer) if isinstance(answer, dict) else answer)

    async def _page(self, request: web.Request) -> web.Response:
        session = self.account.get("checkout.session", request.match_info["checkout"])
        page = PAGE.replace("{cancel_url}", escape(session["cancel_url"] or "/"))
        return web.Response(text=page, content_type="text/html")

    async def _paid(self, request: web.Request) -> web.Response:
        wanted = request.match_info["checkout"]
        session = self.account.get("checkout.session", wanted)
        card = request.query.get("card", "pays")
        if session["status"] == "open" and self.pay_checkout(wanted, card)["status"] == "open":
            return web.Response(status=402, text="Your card was declined.")
        raise web.HTTPSeeOther(session["success_url"].replace("{CHECKOUT_SESSION_ID}", wanted))
