"""`python -m billing.packages` and `python -m billing.evidence`, as an operator runs them."""

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.integration.till_desk import Shop, shop, stripe_fake

__all__ = ["shop", "stripe_fake"]

ROOT = Path(__file__).parents[2]


async def run(dsn: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_an_operator_edits_what_is_sold(shop: Shop, db_dsn: str) -> None:
    for line in (
        "set big --name Big --credits 50000 --order 9",
        "price big jpy 3000",
        "withdraw pro",
        "promote starter --name Spring --bonus 2000 --from 2020-01-01 --to 2099-01-01",
        "rate jpy --credits 10000 --per 750 --min 500 --max 80000",
    ):
        code, out = await run(db_dsn, "billing.packages", *line.split())
        assert code == 0, out

    told = (await shop.web.client.get("/api/packages")).json()
    assert [(it["id"], it["amount"], it["currency"], it["credits"]) for it in told["packages"]] == [
        ("starter", 500, "usd", 12_000),
        ("standard", 1_000, "usd", 25_000),
        ("big", 3_000, "jpy", 50_000),
    ]
    assert [it["currency"] for it in told["amounts"]] == ["jpy", "usd"]
    for line in ("withdraw pro", "price nothing usd 1", "set BIG --name x --credits 1"):
        code, out = await run(db_dsn, "billing.packages", *line.split())
        assert code == 1, out


async def test_the_evidence_of_a_disputed_charge(shop: Shop, db_dsn: str, tmp_path: Path) -> None:
    buyer = await shop.buyer()
    charge = await shop.bought(buyer)
    shop.stripe.desk.open_dispute(charge)
    await shop.stripe.webhooks.settled()
    await shop.drain()

    code, out = await run(db_dsn, "billing.evidence", charge, "--to", str(tmp_path))
    assert code == 0, out

    told = json.loads((tmp_path / f"{charge}.json").read_text())
    assert told["payment"]["disputed"] == 500
    assert [line["kind"] for line in told["ledger"]] == ["topup", "dispute"]
    text = (tmp_path / f"{charge}.txt").read_text()
    assert "10,000 credits" in text
    assert buyer.account.email in text
    assert (await run(db_dsn, "billing.evidence", "ch_nobody"))[0] == 1


async def test_somebody_sees_their_own_payments_only(shop: Shop) -> None:
    buyer, other = await shop.buyer(), await shop.buyer()
    charge = await shop.bought(buyer)
    customer = shop.stripe.account.all("customer")[0]["id"]
    shop.stripe.desk.refund(charge, 100)
    await shop.stripe.webhooks.settled()
    await shop.drain()

    [told] = (await buyer.get(f"/api/stripe/transactions?stripeId={customer}")).json()
    assert told == {
        "id": charge,
        "type": "topup",
        "amount": 500,
        "currency": "usd",
        "description": "Credits",
        "status": "partially_refunded",
        "created": told["created"],
        "invoice_id": None,
        "refunded": 100,
        "credits": 10_000,
        "credits_left": 8_000,
        "receipt_url": told["receipt_url"],
    }
    assert (await other.get("/api/stripe/transactions")).json() == []
    assert (await other.get(f"/api/stripe/transactions?stripeId={customer}")).status_code == 403
