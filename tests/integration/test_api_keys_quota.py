"""A key spends within its own limit, whatever becomes of the work, and its books cannot drift."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing import generation_charges as charges
from billing.money import MICRO, from_credits
from billing.store.generation_charges import Charge
from control_plane import api_keys
from control_plane.api_keys import InvalidApiKey, KeyQuotaExceeded, Scope
from control_plane.http_errors import app_error_response
from control_plane.store import api_keys as store
from shared.db import open_pool, transaction
from shared.ids import UserId, new_uuid
from shared.settings import PostgresSettings
from tests.integration.charge_desk import Desk, Money

SECRET = b"the secret of these tests, long enough"
DIGEST = bytes(32)


class KeyDesk(Desk):
    """Reserves for keys as the speech desk does: both steps in one transaction."""

    async def account(self, whole_credits: int, subject: str = "someone") -> UUID:
        """One whose plan has keys."""
        user = await super().account(whole_credits, subject)
        await self.pool.execute("update credits set paid = true where user_id = $1", user)
        return user

    async def key(self, user: UUID, limit: int | None) -> UUID:
        async with transaction(self.pool) as tx:
            made = await api_keys.create(
                tx,
                owner=UserId(user),
                name="x",
                scopes=[Scope.SPEECH_GENERATE],
                credit_limit=None if limit is None else from_credits(limit),
                expires_at=None,
                hmac_secret=SECRET,
            )
        return made.row.id

    async def reserve_for(self, key_id: UUID, user: UUID, quantity: int) -> Charge:
        async with transaction(self.pool) as tx:
            reserved = await charges.reserve(
                tx,
                user_id=user,
                idempotency_key=str(new_uuid()),
                request_sha256=DIGEST,
                product="speech",
                model="local",
                quantity_max=quantity,
                channel="api",
            )
            charge = reserved.charge
            await api_keys.take_charge(tx, key_id=key_id, owner=user, charge_id=charge.id)
        return charge

    async def make_late(self, charge: Charge) -> None:
        await self.pool.execute(
            "update generation_charges set expires_at = now() - interval '1 s' where id = $1",
            charge.id,
        )

    async def used(self, key_id: UUID) -> float:
        """Credits."""
        micro = await self.pool.fetchval("select credit_used from api_keys where id = $1", key_id)
        used: float = micro / MICRO
        return used


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[KeyDesk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn, "database_pool_max": 20})
    pool = await open_pool(settings, application_name="tests")
    yield KeyDesk(pool)
    await pool.close()


async def test_a_key_has_used_its_holds_and_then_its_costs(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key = await desk.key(user, 100)

    settled, released, late, open_one = [await desk.reserve_for(key, user, 20) for _ in range(4)]
    assert await desk.used(key) == 80
    await desk.settle(settled, 12)
    assert await desk.used(key) == 72
    await desk.release(released)
    assert await desk.used(key) == 52
    await desk.make_late(late)
    await desk.expire()
    assert await desk.used(key) == 32

    for charge in (settled, released, late):  # again, and too late: nothing moves
        await desk.release(charge)
    assert await desk.used(key) == 32
    assert await desk.violations() == set()
    await desk.settle(open_one, 20)
    assert await desk.used(key) == 32


async def test_a_refusal_by_the_key_leaves_no_hold_on_the_account(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key = await desk.key(user, 50)
    await desk.reserve_for(key, user, 30)

    with pytest.raises(KeyQuotaExceeded) as refused:
        await desk.reserve_for(key, user, 21)

    assert (refused.value.needed, refused.value.available) == (21 * MICRO, 20 * MICRO)
    assert await desk.money(user) == Money(1_000, 30, 0)
    assert await desk.pool.fetchval("select count(*) from generation_charges") == 1
    answer = app_error_response(refused.value, "/v1/audio/speech")
    assert answer.status_code == 402
    assert bytes(answer.body) == (
        b'{"error":{"message":"This needs 21 credits; the limit of this API key leaves 20 credits",'
        b'"type":"permission_error","param":"authorization","code":"api_key_quota_exceeded"}}'
    )
    await desk.reserve_for(key, user, 20)


async def test_a_key_without_a_limit_is_only_counted(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key = await desk.key(user, None)
    await desk.reserve_for(key, user, 900)
    assert await desk.used(key) == 900
    with pytest.raises(charges.CannotAfford):
        await desk.reserve_for(key, user, 101)
    assert await desk.violations() == set()


async def test_50_requests_at_once_never_use_more_than_the_limit(desk: KeyDesk) -> None:
    user = await desk.account(10_000)
    key = await desk.key(user, 1_000)

    answers = await asyncio.gather(
        *(desk.reserve_for(key, user, 48) for _ in range(50)), return_exceptions=True
    )

    assert Counter(type(answer) for answer in answers) == {Charge: 20, KeyQuotaExceeded: 30}
    assert await desk.used(key) == 960
    assert await desk.violations() == set()


async def test_a_key_that_was_revoked_or_is_anothers_pays_nothing(desk: KeyDesk) -> None:
    user, stranger = await desk.account(1_000), await desk.account(1_000, "stranger")
    key = await desk.key(user, 100)
    with pytest.raises(InvalidApiKey):
        await desk.reserve_for(key, stranger, 10)
    for change in ("expires_at = now()", "expires_at = null, is_active = false"):
        await desk.pool.execute(f"update api_keys set {change}")
        with pytest.raises(InvalidApiKey):
            await desk.reserve_for(key, user, 10)
    assert await desk.used(key) == 0
    assert await desk.pool.fetchval("select count(*) from generation_charges") == 0


async def test_work_of_a_revoked_key_is_finished_and_counted(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key = await desk.key(user, 100)
    charge = await desk.reserve_for(key, user, 20)
    async with transaction(desk.pool) as tx:
        await store.revoke(tx, key_id=key, owner=user)
    await desk.settle(charge, 15)
    assert await desk.used(key) == 15
    assert await desk.violations() == set()


async def test_taking_a_charge_twice_counts_it_once(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key, other = await desk.key(user, 100), await desk.key(user, 100)
    charge = await desk.reserve_for(key, user, 60)
    async with transaction(desk.pool) as tx:
        await api_keys.take_charge(tx, key_id=key, owner=user, charge_id=charge.id)
    assert await desk.used(key) == 60
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(desk.pool) as tx:
            await api_keys.take_charge(tx, key_id=other, owner=user, charge_id=charge.id)
    assert await desk.used(other) == 0


async def test_any_interleaving_leaves_the_books_right(desk: KeyDesk) -> None:
    """Keys of two accounts, reserves, settles, releases and expiry, all at once."""
    users = [await desk.account(2_000, name) for name in ("a", "b")]
    keys = [(await desk.key(user, limit), user) for user in users for limit in (300, None)]
    chance = random.Random(5)

    async def work(number: int) -> None:
        key, user = keys[number % len(keys)]
        try:
            charge = await desk.reserve_for(key, user, 1 + number % 40)
        except (KeyQuotaExceeded, charges.CannotAfford):
            return
        match chance.randrange(4):
            case 0:
                await desk.settle(charge, 1 + number % 40)
            case 1:
                await desk.release(charge)
            case 2:
                await desk.make_late(charge)
                await desk.expire(limit=3)
            case _:
                pass  # died

    outcomes = await asyncio.gather(*(work(n) for n in range(120)), return_exceptions=True)

    failed = [
        error for error in outcomes if error and not isinstance(error, charges.ChargeReleased)
    ]
    assert failed == []
    assert await desk.violations() == set()


async def test_the_books_would_notice_a_key_that_drifted(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key = await desk.key(user, 100)
    await desk.reserve_for(key, user, 20)
    await desk.pool.execute("update api_keys set credit_used = 19000000")
    assert await desk.violations() == {"I17 a key has used what its charges took"}


async def test_the_table_itself_refuses_to_go_beyond_the_limit(desk: KeyDesk) -> None:
    user = await desk.account(1_000)
    key = await desk.key(user, 10)
    charge = (await desk.reserve(user, 20)).charge
    with pytest.raises(asyncpg.CheckViolationError):
        await desk.pool.execute(
            "update generation_charges set api_key_id = $1 where id = $2", key, charge.id
        )
