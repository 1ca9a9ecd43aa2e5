"""Operators move credit and freeze accounts; every act has its reason in the audit log."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from billing import audit
from shared.ids import new_uuid
from tests import builders
from tests.integration.operator_desk import WHY, Staff
from tests.web_process import Media, Web, running_web, web_settings


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, no_media)) as running:
        yield running


@pytest.fixture
def operator(web: Web) -> Staff:
    return Staff(web, "operator", subject="olga")


async def log_of(web: Web) -> list[asyncpg.Record]:
    return list(await web.db.fetch("select * from audit_log order by sequence"))


async def test_a_grant_is_posted_with_its_entry(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=100)

    answer = await operator.act("grant", customer.account.user_id, credits=250, reason="goodwill")

    assert answer.json() == {"repeated": False, "amount": 350, "available": 350, "debt": 0}
    row = await web.db.fetchrow("select * from credit_transactions where source = 'operator'")
    assert row is not None
    assert (row["kind"], row["amount"], row["reason"]) == ("promo", 250_000_000, "goodwill")
    [entry] = await log_of(web)
    assert (entry["actor"], entry["action"], entry["reason"]) == ("olga", "grant", "goodwill")
    assert entry["posting"] == row["source_id"]
    assert entry["user_id"] == customer.account.user_id
    assert await builders.violations(web.db) == []


async def test_a_repeated_grant_is_one_grant(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=0)
    key = "support-case-4711"

    answers = await asyncio.gather(
        *(operator.act("grant", customer.account.user_id, key=key, credits=10) for _ in range(8))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["repeated"] for answer in answers) == [False] + [True] * 7
    assert {answer.json()["amount"] for answer in answers} == {10}
    assert len(await log_of(web)) == 1


@pytest.mark.parametrize("change", ["amount", "account", "verb"])
async def test_a_key_is_for_one_request(web: Web, operator: Staff, change: str) -> None:
    customer, other = await web.account(), await web.account()
    key = "support-case-4712"
    first = await operator.act("grant", customer.account.user_id, key=key, credits=10)
    assert first.status_code == 200

    second = await operator.act(
        "adjust" if change == "verb" else "grant",
        (other if change == "account" else customer).account.user_id,
        key=key,
        credits=11 if change == "amount" else 10,
    )

    assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_reused")
    assert len(await log_of(web)) == 1


async def test_taking_more_than_there_is_makes_debt(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=100)
    answer = await operator.act("adjust", customer.account.user_id, credits=-130)
    assert answer.json() == {"repeated": False, "amount": 0, "available": 0, "debt": 30}
    assert await builders.violations(web.db) == []


@pytest.mark.parametrize("verb", ["grant", "adjust", "freeze", "unfreeze"])
async def test_nothing_happens_without_a_good_reason(web: Web, operator: Staff, verb: str) -> None:
    customer = await web.account()
    if verb == "unfreeze":
        await operator.act("freeze", customer.account.user_id)
    before = await builders.fingerprint(web.db)
    body: dict[str, Any] = {"credits": 1} if verb in {"grant", "adjust"} else {}

    for reason in ("", "  ", "no", "x" * 501, "two\nlines", None, 7):
        answer = await operator.act(verb, customer.account.user_id, reason=reason, **body)
        assert answer.status_code == 400, answer.text
    assert await builders.fingerprint(web.db) == before


NONSENSE: list[tuple[str, dict[str, Any], str | None]] = [
    ("grant", {"credits": 0}, None),
    ("grant", {"credits": -1}, None),
    ("grant", {"credits": 1_000_001}, None),
    ("grant", {"credits": 1.5}, None),
    ("grant", {"credits": 1, "expiresAt": "2020-01-01T00:00:00Z"}, None),
    ("grant", {"credits": 1, "expiresAt": "2099-01-01T00:00:00"}, None),
    ("grant", {"credits": 1, "to": "somebody"}, None),
    ("grant", {"credits": 1}, ""),
    ("grant", {"credits": 1}, "short"),
    ("grant", {"credits": 1}, "k" * 101),
    ("adjust", {"credits": 0}, None),
    ("adjust", {"credits": -1_000_001}, None),
]


async def test_what_makes_no_sense_is_refused(web: Web, operator: Staff) -> None:
    customer = await web.account()
    for verb, body, key in NONSENSE:
        answer = await operator.act(verb, customer.account.user_id, key=key, **body)
        assert answer.status_code == 400, (verb, body, key, answer.text)
    assert await log_of(web) == []


async def test_a_grant_may_end(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=0)
    ends = "2099-01-01T00:00:00Z"
    assert (
        await operator.act("grant", customer.account.user_id, credits=7, expiresAt=ends)
    ).status_code == 200
    path = f"/api/operator/accounts/{customer.account.user_id}"
    [lot] = (await operator.get(path)).json()["lots"]
    assert (lot["kind"], lot["remaining"], lot["expiresAt"]) == ("promotional", 7, ends)


@pytest.mark.parametrize("verb", ["grant", "adjust", "freeze", "unfreeze"])
async def test_an_unknown_account_is_not_found(web: Web, operator: Staff, verb: str) -> None:
    body: dict[str, Any] = {"credits": 1} if verb in {"grant", "adjust"} else {}
    answer = await operator.act(verb, new_uuid(), **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert await log_of(web) == []


async def test_the_log_refuses_changes(web: Web, operator: Staff) -> None:
    customer = await web.account()
    await operator.act("freeze", customer.account.user_id)
    for statement in (
        "update audit_log set reason = 'another'",
        "delete from audit_log",
        "truncate audit_log",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await web.db.execute(statement)


async def test_entries_of_many_operators_at_once_are_one_chain(web: Web) -> None:
    customers = [await web.account() for _ in range(4)]
    answers = await asyncio.gather(
        *(
            Staff(web, "operator", subject=f"o{number}").act(
                "grant", customers[number % 4].account.user_id, credits=1
            )
            for number in range(24)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    assert [row["sequence"] for row in await log_of(web)] == list(range(1, 25))
    assert [problem async for problem in audit.problems(web.db)] == []
    assert await builders.violations(web.db) == []


@pytest.mark.parametrize(
    "forgery",
    [
        "update audit_log set reason = 'nothing to see' where sequence = 2",
        "delete from audit_log where sequence = 2",
        (
            "update audit_log set body = replace(body, 'freeze', 'grants'),"
            " hash = encode(sha256(convert_to(replace(body, 'freeze', 'grants'), 'UTF8')), 'hex')"
            " where sequence = 2"
        ),
    ],
)
async def test_a_forged_log_is_noticed(web: Web, operator: Staff, forgery: str) -> None:
    customer = await web.account()
    for verb in ("freeze", "unfreeze", "freeze"):
        assert (await operator.act(verb, customer.account.user_id)).status_code == 200
    await web.db.execute("alter table audit_log disable trigger audit_log_append_only")
    await web.db.execute(forgery)
    assert [problem async for problem in audit.problems(web.db)] != []


async def test_a_posting_without_its_entry_is_a_violation(web: Web) -> None:
    customer = await web.account()
    await web.db.execute(
        "select credit_post_v1($1, 5, 'promo', 'operator', 'by hand')", customer.account.user_id
    )
    [found] = await builders.violations(web.db)
    assert found.startswith("A2 what an operator posted is in the audit log")


async def test_a_frozen_account_starts_nothing(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=500_000, paid=True)
    assert (await operator.act("freeze", customer.account.user_id)).json() == {
        "userId": str(customer.account.user_id),
        "frozen": True,
    }
    refused = await customer.ask_for_call()
    assert (refused.status_code, refused.json()["code"]) == (403, "account_frozen")
    again = await operator.act("freeze", customer.account.user_id)
    assert (again.status_code, again.json()["code"]) == (409, "already_frozen")

    assert (await operator.act("unfreeze", customer.account.user_id)).status_code == 200
    again = await operator.act("unfreeze", customer.account.user_id)
    assert (again.status_code, again.json()["code"]) == (409, "not_frozen")
    assert [row["action"] for row in await log_of(web)] == ["freeze", "unfreeze"]


async def test_freezing_beats_a_call_that_was_checked_a_moment_before(
    web: Web, operator: Staff, db_dsn: str
) -> None:
    """The look at the account and the hold are two statements; freezing came between them."""
    customer = await web.account(balance=500_000, paid=True)
    user_id = customer.account.user_id
    blocker = await asyncpg.connect(db_dsn)
    try:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("select 1 from credits where user_id = $1 for update", user_id)
        asking = asyncio.create_task(customer.ask_for_call())  # has looked, waits for the account
        await _somebody_waits(web.db, 1)
        await blocker.execute("update profiles set frozen_at = now() where id = $1", user_id)
        await transaction.commit()
        refused = await asking
    finally:
        await blocker.close()
    assert (refused.status_code, refused.json()["code"]) == (403, "account_frozen")
    assert await web.db.fetchval("select count(*) from call_sessions") == 0
    assert await web.db.fetchval("select reserved from credits where user_id = $1", user_id) == 0


async def _somebody_waits(db: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    async with asyncio.timeout(10):
        while (
            await db.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            )
            < count
        ):
            await asyncio.sleep(0.01)


async def test_who_looks_finds_an_account_by_either_name(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=70, email="Someone@Example.test")
    await web.db.execute(
        "update profiles set mail_address = 'real@example.test' where id = $1",
        customer.account.user_id,
    )
    for wanted in (
        {"email": "someone@example.test"},
        {"email": " REAL@example.test "},
        {"userId": str(customer.account.user_id)},
    ):
        answer = await operator.post("/api/operator/accounts/find", wanted)
        [found] = answer.json()["data"]
        assert (found["id"], found["amount"]) == (str(customer.account.user_id), 70)
    for wrong in ({}, {"email": "a@b.test", "userId": str(new_uuid())}, {"email": ""}):
        assert (await operator.post("/api/operator/accounts/find", wrong)).status_code == 400
    nobody = await operator.post("/api/operator/accounts/find", {"email": "other@example.test"})
    assert nobody.json() == {"data": []}


async def test_the_file_of_an_account_is_complete(web: Web, operator: Staff) -> None:
    customer = await web.account(balance=70)
    path = f"/api/operator/accounts/{customer.account.user_id}"
    await operator.act("grant", customer.account.user_id, credits=5)

    ledger = (await operator.get(f"{path}/ledger")).json()
    assert [(row["kind"], row["amount"]) for row in ledger["data"]] == [("promo", 5), ("promo", 70)]
    assert (ledger["totalCount"], ledger["data"][0]["actor"]) == (2, "olga")
    [entry] = (await operator.get(f"{path}/audit")).json()["data"]
    assert (entry["action"], entry["reason"], entry["details"]) == (
        "grant",
        WHY,
        {"kind": "promo", "microcredits": 5_000_000},
    )
    assert (await operator.get(f"{path}/calls")).json()["data"] == []
    assert (await operator.get(f"{path}/payments")).json()["data"] == []
