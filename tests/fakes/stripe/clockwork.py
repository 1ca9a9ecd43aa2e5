"""What happens at Stripe because time passes."""

from collections.abc import Callable, Iterator

from tests.fakes.stripe import checkout, invoices, subscriptions
from tests.fakes.stripe.account import Doc, StripeAccount

STEPS_MAX = 100_000
FIRST_PAYMENT_S_MAX = 23 * 3_600  # then an incomplete subscription expires

OVER = frozenset({"canceled", "incomplete_expired", "paid", "void", "complete", "expired"})

Deed = tuple[int, Callable[[StripeAccount, Doc], None], Doc]


def advance(account: StripeAccount, seconds: float) -> int:
    """Everything that falls due, in order, each at its own time. How many things happened."""
    end_s = account.now_s + seconds
    for done in range(STEPS_MAX):
        due_s, act, doc = min(_due(account), key=lambda deed: deed[0], default=_NOTHING)
        if act is _rest or due_s > end_s:
            account.timeline.ahead_s += seconds
            return done
        with account.timeline.at(due_s):
            act(account, doc)
    raise AssertionError("time does not end")


def _due(account: StripeAccount) -> Iterator[Deed]:
    for doc in list(account.lasting.values()):
        if doc["status"] in OVER:
            del account.lasting[doc["id"]]
        elif doc["object"] == "subscription":
            yield from _of_subscription(doc)
        elif doc["object"] == "invoice":
            yield from _of_invoice(doc)
        elif doc["status"] == "open":
            yield doc["expires_at"], _expire, doc


def _of_subscription(doc: Doc) -> Iterator[Deed]:
    if doc["status"] in subscriptions.RUNNING:
        end_s = doc["items"]["data"][0]["current_period_end"]
        yield min(end_s, doc["cancel_at"] or end_s), subscriptions.roll, doc
    elif doc["status"] == "incomplete":
        yield doc["created"] + FIRST_PAYMENT_S_MAX, subscriptions.give_up, doc


def _of_invoice(doc: Doc) -> Iterator[Deed]:
    if doc["status"] == "draft" and doc["automatically_finalizes_at"]:
        yield doc["automatically_finalizes_at"], _finalize, doc
    elif doc["status"] == "open" and doc["next_payment_attempt"]:
        yield doc["next_payment_attempt"], _retry, doc


def _finalize(account: StripeAccount, invoice: Doc) -> None:
    invoices.finalize(account, invoice)


def _retry(account: StripeAccount, invoice: Doc) -> None:
    subscription = account.kept[invoice["parent"]["subscription_details"]["subscription"]]
    if subscription["status"] not in subscriptions.RUNNING:
        invoice["next_payment_attempt"] = None
    elif not invoices.retry(account, invoice):
        subscriptions.give_up(account, subscription)


def _expire(account: StripeAccount, session: Doc) -> None:
    checkout.expire_session(account, {}, session["id"])


def _rest(account: StripeAccount, doc: Doc) -> None:
    raise AssertionError("nothing is due")


_NOTHING: Deed = (0, _rest, {})
