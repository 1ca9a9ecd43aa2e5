"""Paying by itself: once, capped, never blindly again; and what it does for a call that runs."""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from billing import auto_topup, charging, ledger
from billing.money import MicroCredits, from_credits
from billing.settings import ChargingSettings
from billing.store import auto_topups as store
from billing.store import topups as topups_store
from billing.store.topups import Topup
from control_plane import topup_words
from control_plane.auto_topups import AutoTopups
from control_plane.topup_words import topup_failed_in
from shared.call_protocol import CallReport
from shared.clock import SystemClock
from shared.db import Tx, transaction
from shared.ids import new_call_id
from shared.languages import LANGUAGES
from tests.fakes.rooms import ScriptedRooms
from tests.fakes.stripe.payments import confirm_intent
from tests.fakes.stripe_server import Trouble
from tests.integration.lock_waits import until_waiting
from tests.integration.till_desk import Shop, shop, stripe_fake
from tests.web_process import Caller

__all__ = ["shop", "stripe_fake"]

RULE = {
    "isOn": True,
    "threshold": 2_000,
    "amount": 500,
    "monthAmountMax": 1_000,
    "currency": "usd",
}


@dataclass
class Owner:
    shop: Shop
    caller: Caller
    rooms: ScriptedRooms
    work: AutoTopups

    @property
    def user_id(self) -> UUID:
        return self.caller.account.user_id

    @property
    def customer(self) -> str:
        [found] = self.shop.stripe.account.all("customer")
        customer: str = found["id"]
        return customer

    async def agree(self, **changes: Any) -> int:
        body = json.dumps({**RULE, **changes})
        headers = self.caller.headers
        answer = await self.shop.web.client.put("/api/auto-topup", content=body, headers=headers)
        return answer.status_code

    async def state(self) -> dict[str, Any]:
        told: dict[str, Any] = (await self.caller.get("/api/auto-topup")).json()
        return told

    async def spend(self, whole_credits: int, key: str) -> None:
        async with transaction(self.work.pool) as tx:
            await ledger.adjust(
                tx,
                user_id=self.user_id,
                amount=MicroCredits(-from_credits(whole_credits)),
                key=key,
                reason="spent",
                actor="test",
            )

    async def credit(self, tx: Tx, topup: Topup) -> None:
        await ledger.adjust(
            tx,
            user_id=self.user_id,
            amount=MicroCredits(topup.credits),
            key=str(topup.id),
            reason="paid",
            actor="test",
        )

    async def states(self) -> list[str]:
        rows = await self.shop.web.db.fetch(
            "select state from topups where kind = 'auto' order by created_at, id"
        )
        return [row["state"] for row in rows]


@pytest_asyncio.fixture
async def owner(shop: Shop) -> Owner:
    """Somebody who paid once, saved the card, and has 1,000 credits left."""
    caller = await shop.buyer()
    rooms = ScriptedRooms()
    pool = shop.web.app.state.services.pool
    work = AutoTopups(pool, shop.inbox.till, rooms, SystemClock())
    someone = Owner(shop, caller, rooms, work)
    await shop.bought(caller, packageId="starter", saveCard=True)
    await someone.spend(9_000, "first")
    return someone


async def test_nothing_is_paid_unless_somebody_asked_for_it(owner: Owner) -> None:
    assert await owner.state() == {
        "isOn": False,
        "state": "off",
        "failure": None,
        "threshold": None,
        "amount": None,
        "monthAmountMax": None,
        "monthAmountSpent": 0,
        "currency": None,
    }
    assert await owner.work.round() == 0
    await owner.agree(isOn=False)
    assert await owner.work.round() == 0


async def test_a_low_account_is_topped_up_once_and_never_above_its_cap(owner: Owner) -> None:
    assert await owner.agree() == 200
    assert await owner.work.round() == 1
    assert await owner.work.round() == 0
    assert await owner.shop.credits(owner.caller) == 11_000

    await owner.spend(10_000, "second")
    assert await owner.work.round() == 1
    await owner.spend(10_000, "third")
    assert await owner.work.round() == 0
    assert await owner.states() == ["paid", "paid"]
    assert (await owner.state())["monthAmountSpent"] == 1_000


async def test_many_workers_pay_once(owner: Owner) -> None:
    await owner.agree()
    await asyncio.gather(*(owner.work.round() for _ in range(6)), return_exceptions=True)
    assert await owner.states() == ["paid"]
    assert len(owner.shop.stripe.account.all("payment_intent")) == 2


async def test_who_looks_while_a_payment_settles_does_not_pay_again(owner: Owner) -> None:
    pool = owner.work.pool

    async def look() -> Topup | None:
        async with transaction(pool) as tx:
            return await auto_topup.begin(tx, owner.user_id)

    await owner.agree()
    first = await look()
    assert first
    async with transaction(pool) as tx:
        await topups_store.by_id(tx, first.id)
        await owner.credit(tx, first)
        await topups_store.move(tx, first.id, state="paid")
        second = asyncio.create_task(look())
        await until_waiting(pool, 1)
    assert await second is None
    assert await owner.states() == ["paid"]


@pytest.mark.parametrize("card", ["declined", "no_funds", "asks_owner"])
async def test_a_refused_card_is_told_and_not_tried_again(owner: Owner, card: str) -> None:
    await owner.agree()
    room = await call_of(owner)
    owner.shop.stripe.desk.bank_says(owner.customer, card)

    assert await owner.work.round() == 1
    assert await owner.work.round() == 0
    await owner.work.repair()

    assert await owner.states() == ["failed"]
    state = await owner.state()
    assert state["state"] == "needs_action"
    assert state["failure"]
    assert owner.rooms.notices == [(room, "payment_failed")]

    owner.shop.stripe.desk.bank_says(owner.customer, "pays")
    assert await owner.agree() == 200
    assert await owner.work.round() == 1
    assert await owner.states() == ["failed", "paid"]


@pytest.mark.parametrize("language", ["de", "ja", "en"])
async def test_a_refused_card_is_told_in_the_language_of_the_call(
    owner: Owner, language: str
) -> None:
    await owner.agree()
    await call_of(owner, language)
    owner.shop.stripe.desk.bank_says(owner.customer, "declined")

    await owner.work.round()

    assert owner.rooms.words == [topup_failed_in(language)]


def test_there_are_words_for_every_language_of_calls() -> None:
    assert topup_words.LANGUAGES == LANGUAGES
    assert len({topup_failed_in(language) for language in LANGUAGES}) == 20
    assert topup_failed_in("xx") == topup_failed_in("en")


async def test_a_payment_the_owner_confirms_later_counts_and_sets_the_rule_free(
    owner: Owner,
) -> None:
    await owner.agree()
    owner.shop.stripe.desk.bank_says(owner.customer, "asks_owner")
    await owner.work.round()
    account = owner.shop.stripe.account
    [intent] = [it for it in account.all("payment_intent") if it["status"] != "succeeded"]
    assert (await owner.state())["state"] == "needs_action"
    owner.shop.stripe.desk.bank_says(owner.customer, "pays")
    [card] = account.all("payment_method", customer=owner.customer)
    confirm_intent(account, {"payment_method": card["id"]}, intent["id"])
    await owner.shop.stripe.webhooks.settled()
    await owner.shop.drain()

    assert await owner.shop.credits(owner.caller) == 11_000
    assert await owner.states() == ["paid"]
    assert (await owner.state())["state"] == "ready"


@pytest.mark.parametrize("trouble", [Trouble.CUTS, Trouble.CUTS_DONE, Trouble.FAILS])
async def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    owner: Owner, trouble: Trouble
) -> None:
    await owner.agree()
    owner.shop.stripe.api.trouble.next(trouble, method="POST", path="payment_intents", times=3)
    await owner.work.round()
    assert await owner.work.round() == 0
    assert await owner.states() == ["intended"]

    await owner.shop.web.db.execute("update topups set due_at = clock_timestamp()")
    assert await owner.work.repair() == 1
    assert await owner.states() == ["paid"]
    assert await owner.shop.credits(owner.caller) == 11_000
    assert len(owner.shop.stripe.account.all("payment_intent")) == 2


async def test_a_crash_before_the_call_is_repaired(owner: Owner) -> None:
    await owner.agree()
    async with transaction(owner.work.pool) as tx:
        assert await auto_topup.begin(tx, owner.user_id)
    await owner.shop.web.db.execute("update topups set due_at = clock_timestamp()")
    await owner.work.repair()
    assert await owner.states() == ["paid"]


async def test_an_intent_without_an_answer_for_a_day_is_not_paid_blindly(owner: Owner) -> None:
    await owner.agree()
    async with transaction(owner.work.pool) as tx:
        await auto_topup.begin(tx, owner.user_id)
    await owner.shop.web.db.execute(
        "update topups set created_at = $1, due_at = clock_timestamp() where kind = 'auto'",
        SystemClock().now() - timedelta(hours=24),
    )
    await owner.work.repair()

    assert await owner.states() == ["unknown"]
    assert (await owner.state())["state"] == "needs_action"
    assert len(owner.shop.stripe.account.all("payment_intent")) == 1


async def test_wrong_wishes_are_refused(owner: Owner) -> None:
    for changes in (
        {"monthAmountMax": 499},
        {"amount": 100},
        {"currency": "xxx"},
        {"threshold": 0},
        {"isOn": "yes"},
        {"more": 1},
    ):
        assert await owner.agree(**changes) == 400, changes
    async with transaction(owner.work.pool) as tx:
        assert await store.rule_of(tx, owner.user_id) is None


SETTINGS = ChargingSettings(call_min_credits=100, grant_seconds=20, grant_low_seconds=10)
REPORT_S = 19


async def call_of(owner: Owner, language: str = "en") -> str:
    """A call that runs on what is left; the name of its room."""
    call_id = new_call_id()
    async with transaction(owner.work.pool) as tx:
        await charging.authorize(tx, call_id=call_id, user_id=owner.user_id, settings=SETTINGS)
    await owner.shop.web.db.execute(
        "insert into call_configs(call_id, room_name, plan, model, voice, language, instructions,"
        " greeting, free_call) values ($1, $2, 'paid', 'm', 'Ara', $3, '', '', false)",
        call_id,
        f"ro-{call_id}",
        language,
    )
    return f"ro-{call_id}"


@pytest.mark.parametrize("way", ["auto", "checkout"])
async def test_a_topup_in_the_last_second_of_a_call_extends_it(owner: Owner, way: str) -> None:
    left = int(await owner.shop.credits(owner.caller))
    room = await call_of(owner)
    call_id = UUID(room.removeprefix("ro-"))
    db, pool = owner.shop.web.db, owner.work.pool
    async with transaction(pool) as tx:
        started = await charging.start(tx, call_id=call_id, worker_id="w", job_id="j")

    async def settle(seconds: int) -> tuple[int, bool]:
        await db.execute(
            "update call_sessions set answered_at = answered_at - interval '1 hour',"
            " started_at = started_at - interval '1 hour' where id = $1",
            call_id,
        )
        report = CallReport(id=call_id, epoch=started.epoch, seconds=seconds)
        async with transaction(pool) as tx:
            [grant] = await charging.settle(tx, [report], SETTINGS)
        return grant.granted_seconds, grant.final_unit

    granted, is_final, used = 0, False, 0
    for _ in range(100):
        granted, is_final = await settle(used)
        if is_final:
            break
        used = granted - 1
    assert is_final, f"{left} credits do not last for ever"
    last_second = granted - 1
    assert await settle(last_second) == (granted, True)

    if way == "auto":
        await owner.agree()
        assert await owner.work.round() == 1
    else:
        await owner.shop.bought(owner.caller)

    more, is_final = await settle(last_second)
    assert (more, is_final) == (last_second + 20, False)
