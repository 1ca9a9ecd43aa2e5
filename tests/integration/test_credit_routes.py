"""The balance by lot, the daily credits and the limits of an account, over HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from billing import daily_credits, ledger
from billing.money import from_credits
from shared.db import transaction
from tests.web_process import Caller, Media, Web, running_web, web_settings

ENDS = datetime.now(UTC) + timedelta(days=2)


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, no_media)) as running:
        yield running


async def _change(caller: Caller, **wanted: Any) -> httpx2.Response:
    return await caller.web.client.patch(
        "/api/limits", content=json.dumps(wanted), headers=caller.headers
    )


async def test_a_balance_names_its_lots_in_the_order_of_use(web: Web) -> None:
    caller = await web.account(balance=50, paid=True)
    async with web.db.transaction():
        await ledger.post(
            web.db,
            user_id=caller.account.user_id,
            amount=from_credits(30),
            kind="freemium",
            source="test",
            source_id="daily",
            expires_at=ENDS,
        )

    answer = (await caller.get("/api/credits")).json()

    assert (answer["amount"], answer["available"], answer["spendable"]) == (80, 80, 80)
    shown = [(lot["kind"], lot["remaining"], lot["expiresAt"]) for lot in answer["lots"]]
    assert shown[1] == ("purchased", 50, None)
    assert shown[0][:2] == ("free", 30)
    assert datetime.fromisoformat(shown[0][2]) == ENDS


async def test_daily_credits_come_with_a_look_at_them(web: Web) -> None:
    caller = await web.account(balance=0)
    assert (await caller.get("/api/credits/daily")).json()["credits"] == 0
    async with transaction(web.app.state.services.pool) as tx:
        await daily_credits.set_rule(
            tx, whole_credits=25, cap_credits=25, set_by="test", reason="a test"
        )

    daily = (await caller.get("/api/credits/daily")).json()

    assert (daily["credits"], daily["cap"], daily["timeZone"]) == (25, 25, "UTC")
    assert daily["lastAt"] < daily["nextAt"]
    assert (await caller.get("/api/credits")).json()["amount"] == 25


async def test_limits_are_set_one_by_one_and_taken_away(web: Web) -> None:
    caller = await web.account(balance=5_000)

    await _change(caller, monthlyCap=300)
    await _change(caller, lowBalance=100, timeZone="Asia/Tokyo")
    answer = (await caller.get("/api/limits")).json()

    assert {name: answer[name] for name in ("monthlyCap", "spent", "lowBalance", "timeZone")} == {
        "monthlyCap": 300,
        "spent": 0,
        "lowBalance": 100,
        "timeZone": "Asia/Tokyo",
    }
    assert (await caller.get("/api/credits")).json()["spendable"] == 300
    assert (await _change(caller, monthlyCap=None)).json()["monthlyCap"] is None
    assert (await caller.get("/api/credits")).json()["spendable"] == 5_000


async def test_a_call_beyond_the_cap_is_refused_by_name(web: Web) -> None:
    caller = await web.account(balance=5_000, paid=True)
    await _change(caller, monthlyCap=10)

    answer = await caller.ask_for_call()

    assert answer.status_code == 402
    assert answer.json()["code"] == "spending_cap_reached"


@pytest.mark.parametrize(
    "bad",
    [
        {"monthlyCap": -1},
        {"monthlyCap": 1.5},
        {"monthlyCap": "10"},
        {"lowBalance": 0},
        {"timeZone": "Nowhere/Land"},
        {"timeZone": None},
        {"balance": 10},
        {"monthlyCap": 10**12},
    ],
    ids=str,
)
async def test_bad_limits_are_refused_and_change_nothing(web: Web, bad: dict[str, Any]) -> None:
    caller = await web.account(balance=10)

    answer = await _change(caller, monthlyCap=5) if "monthlyCap" not in bad else None
    refused = await _change(caller, **bad)

    assert refused.status_code == 400, refused.text
    kept = (await caller.get("/api/limits")).json()["monthlyCap"]
    assert kept == (5 if answer else None)


async def test_one_persons_limits_are_not_anothers(web: Web) -> None:
    one, other = await web.account(balance=10), await web.account(balance=10)

    await _change(one, monthlyCap=1, lowBalance=2, timeZone="Asia/Tokyo")

    answer = (await other.get("/api/limits")).json()
    assert (answer["monthlyCap"], answer["lowBalance"], answer["timeZone"]) == (None, None, "UTC")
