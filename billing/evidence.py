"""
What to send to the bank when a payment is disputed.

    python -m billing.evidence CHARGE [--to FOLDER]     writes CHARGE.json and CHARGE.txt

Both say the same: what was bought, what the ledger did with it, and what was used since, with the
receipts (chained by hash, signed where they were read) and consents as they are kept. The text is
for a person at a bank; the JSON holds the whole of it. No word that was spoken is in either. They
name the buyer's address, so they belong to the case and nowhere else. Exit 0, or 1 without payment.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from billing.money import MICRO
from billing.store import evidence as store
from billing.store import payments
from billing.store.evidence import Holder, KeptConsent, KeptReceipt, LedgerLine, Spoken, Talked
from billing.store.payments import Payment
from shared.db import Tx, open_pool, transaction
from shared.errors import NotFound
from shared.settings import PostgresSettings

LINES_MAX: Final = 5_000  # of each kind; a bank reads fewer
TEXT_RECEIPTS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one charge and of what followed it. Credits are micro-credits."""

    payment: Payment
    holder: Holder
    talked: Talked
    spoken: Spoken
    ledger: list[LedgerLine]
    receipts: list[KeptReceipt]
    consents: list[KeptConsent]


async def collect(tx: Tx, charge_id: str) -> Evidence:
    """Raises NotFound for a charge that is not in the books. One snapshot, please."""
    payment = await payments.find(tx, charge_id)
    if payment is None:
        raise NotFound("No such payment")
    owner, since = payment.user_id, payment.charged_at
    return Evidence(
        payment=payment,
        holder=await store.holder(tx, owner),
        talked=await store.talked(tx, owner, since=since),
        spoken=await store.spoken(tx, owner, since=since),
        ledger=await store.ledger(tx, owner, since=since, limit=LINES_MAX),
        receipts=await store.receipts(tx, owner, since=since, limit=LINES_MAX),
        consents=await store.consents(tx, owner, limit=LINES_MAX),
    )


def as_json(found: Evidence) -> str:
    return json.dumps(dataclasses.asdict(found), default=_plain, indent=2, ensure_ascii=False)


def as_text(found: Evidence) -> str:
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Evidence) -> Iterator[str]:
    payment, talked = found.payment, found.talked
    yield f"Payment {payment.charge_id} of {_time(payment.charged_at)}"
    yield ""
    yield f"amount              {payment.amount} {payment.currency.upper()} (smallest unit)"
    yield f"bought              {_credits(payment.credits)} credits, {payment.kind}"
    yield f"refunded            {payment.refunded}"
    yield f"disputed            {payment.disputed} ({payment.dispute_status or 'never'})"
    yield f"account             {found.holder.id}, opened {_time(found.holder.created_at)}"
    yield f"address             {found.holder.email or 'unknown'}"
    yield ""
    yield "Used since this payment:"
    yield f"  {talked.calls} calls, {talked.seconds} seconds, {_credits(talked.cost)} credits"
    if talked.first_at and talked.last_at:
        yield f"  from {_time(talked.first_at)} to {_time(talked.last_at)}"
    spoken = found.spoken
    yield f"  {spoken.generations} generations of speech, {_credits(spoken.cost)} credits"
    yield ""
    yield "Ledger since this payment:"
    for line in found.ledger:
        yield f"  {_time(line.created_at)}  {line.kind:20} {_credits(line.amount):>16}"
    yield ""
    yield f"Receipts since this payment: {len(found.receipts)}"
    for receipt in found.receipts[:TEXT_RECEIPTS_MAX]:
        yield f"  {receipt.sequence:>5}  {_time(receipt.issued_at)}  {receipt.kind}  {receipt.hash}"
    if len(found.receipts) > TEXT_RECEIPTS_MAX:
        yield f"  ... and {len(found.receipts) - TEXT_RECEIPTS_MAX} more in the JSON"
    yield ""
    yield f"Consents of this account: {len(found.consents)}"
    for consent in found.consents:
        when = _time(consent.created_at)
        yield f"  {consent.sequence:>5}  {when}  {consent.kind}  {consent.hash}"


def _credits(amount: int) -> str:
    """Exact: whole credits, and what is left of one."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), MICRO)
    return f"{sign}{whole:,}" + (f".{rest:06}" if rest else "")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def _collect(charge_id: str) -> Evidence:
    pool = await open_pool(PostgresSettings(), application_name="evidence")
    try:
        async with transaction(pool) as tx:
            return await collect(tx, charge_id)
    finally:
        await pool.close()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m billing.evidence", description=__doc__)
    parser.add_argument("charge")
    parser.add_argument("--to", type=Path, default=Path(), metavar="FOLDER")
    wanted = parser.parse_args(arguments)
    try:
        found = asyncio.run(_collect(wanted.charge))
    except NotFound as missing:
        print(missing.message, file=sys.stderr)
        return 1
    name = found.payment.charge_id  # Stripe's own: no path can be in it, as it was found
    for ending, text in (("json", as_json(found)), ("txt", as_text(found))):
        path = wanted.to / f"{name}.{ending}"
        path.write_text(text)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
