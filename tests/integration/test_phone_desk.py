"""Who calls, and who pays: numbers, codes, PINs, locks and prices, without a single sound."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.languages import ENGLISH_NAMES
from tests.integration.phone_rig import PIN, Phone, a_number, claimed, put, set_pin, verified
from tests.web_process import Media, Web, running_web, web_settings

NOWHERE = Media("ws://127.0.0.1:9", "key", "a secret of thirty-two characters")


@pytest_asyncio.fixture
async def web(db_dsn: str) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, NOWHERE)) as running:
        yield running


async def held(web: Web, phone: Phone) -> int:
    assert phone.owner
    reserved: int = await web.db.fetchval(
        "select reserved from credits where user_id = $1", phone.owner.account.user_id
    )
    return reserved


async def test_a_stranger_is_told_the_price_and_the_address_and_nothing_else(web: Web) -> None:
    assert await Phone(web, a_number()).greeted() == {
        "standing": "unknown",
        "language": "de",
        "credits_per_minute": 1000,
        "site": "web.test",
        "locked_minutes": 0,
    }
    hidden = await Phone(web, "anonymous").greeted()
    assert (hidden["standing"], hidden["language"]) == ("unknown", "en")


async def test_a_number_is_verified_by_the_code_entered_on_it_and_on_no_other(web: Web) -> None:
    owner = await web.account()
    number = a_number()
    told = await claimed(owner, number, language="de")
    assert told["data"]["verifiedAt"] is None
    phone = Phone(web, number)
    stranger = await Phone(web, a_number()).greeted()
    assert (await phone.greeted())["standing"] == "claimed"
    assert (await phone.greeted())["language"] == "de"
    assert (await Phone(web, a_number()).enters(told["code"]))["outcome"] == "wrong"
    assert (await phone.enters(told["code"]))["outcome"] == "verified"
    assert await phone.greeted() == stranger, "nobody learns who is a customer"
    await set_pin(owner)
    assert (await phone.greeted())["standing"] == "known"
    listed = (await owner.get("/api/phone-numbers")).json()
    assert listed["pinIsSet"] is True
    assert listed["data"][0]["verifiedAt"] is not None
    assert (await phone.enters(told["code"]))["outcome"] == "wrong", "a code works once"


async def test_five_wrong_codes_make_a_claim_worthless(web: Web) -> None:
    owner = await web.account()
    number = a_number()
    code = (await claimed(owner, number))["code"]
    phone = Phone(web, number)
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for _ in range(5):
        assert (await phone.enters(wrong))["outcome"] == "wrong"
    assert (await phone.enters(code))["outcome"] == "wrong"
    assert (await phone.greeted())["standing"] == "unknown"
    again = (await claimed(owner, number))["code"]
    assert (await phone.enters(again))["outcome"] == "verified"


async def test_a_number_belongs_to_who_proved_it_last(web: Web) -> None:
    first, second = await web.account(), await web.account()
    phone = await verified(first)
    code = (await claimed(second, phone.number))["code"]
    assert (await phone.greeted())["standing"] == "known", "a claim alone takes nothing"
    assert (await phone.enters(code))["outcome"] == "verified"
    assert (await first.get("/api/phone-numbers")).json()["data"] == []
    assert (await phone.greeted())["standing"] == "unknown", "the new owner has no PIN yet"


async def test_caller_id_alone_never_pays(web: Web) -> None:
    phone = await verified(await web.account())
    assert (await phone.enters("999999"))["outcome"] == "wrong"
    guessed = await phone.asks_for_call("00000000-0000-7000-8000-000000000000")
    assert guessed["outcome"] == "expired"
    assert await held(web, phone) == 0
    assert await web.db.fetchval("select count(*) from call_sessions") == 0


async def test_the_right_pin_pays_for_exactly_one_call_in_the_room_it_came_in_by(web: Web) -> None:
    phone = await verified(await web.account(), language="fr")
    verdict = await phone.enters(PIN)
    assert await held(web, phone) == 0, "the PIN dialogue costs nothing"
    placed = await phone.asks_for_call(verdict["entry_id"], room_name="phone_1_abc")
    assert placed["outcome"] == "call"
    assert await held(web, phone) > 0
    again = await phone.asks_for_call(verdict["entry_id"])
    assert (again["outcome"], again["call_id"]) == ("expired", None)
    start = {"worker_id": "w1", "job_id": "j1"}
    config = (await web.internal(f"/calls/{placed['call_id']}/start", start)).json()
    assert (config["channel"], config["room_name"]) == ("phone", "phone_1_abc")
    assert config["language"] == "fr"
    assert phone.number not in json.dumps(config)


async def test_the_menu_chooses_a_character_and_a_language(web: Web) -> None:
    phone = await verified(await web.account())
    verdict = await phone.enters(PIN)
    assert verdict["languages"][0] == "en"
    assert sorted(verdict["languages"]) == sorted(ENGLISH_NAMES)
    assert verdict["operator"] is None, "refused by default"
    ids = {each["name"]: each["id"] for each in verdict["characters"]}
    placed = await phone.asks_for_call(verdict["entry_id"], character=ids["Lily"], language="de")
    config = await web.internal(
        f"/calls/{placed['call_id']}/start", {"worker_id": "w1", "job_id": "j1"}
    )
    assert config.json()["voice"] == "Ara"
    assert config.json()["language"] == "de"


async def test_wrong_pins_lock_for_longer_each_time_and_parallel_guesses_get_no_more(
    web: Web,
) -> None:
    phone = await verified(await web.account())
    outcomes = await asyncio.gather(*(phone.enters(f"10000{n}") for n in range(9)))
    told = [verdict["outcome"] for verdict in outcomes]
    assert told.count("wrong") == 5
    assert told.count("locked") == 4
    assert (await phone.enters(PIN))["outcome"] == "locked", "the right one, too late"
    greeting = await phone.greeted()
    assert (greeting["standing"], greeting["locked_minutes"]) == ("locked", 15)
    await web.db.execute("update phone_pins set locked_until = clock_timestamp()")
    for n in range(5):
        assert (await phone.enters(f"20000{n}"))["outcome"] == "wrong"
    assert (await phone.greeted())["locked_minutes"] == 30


async def test_a_lock_ends_with_time_or_with_a_new_pin_and_a_right_pin_forgets(web: Web) -> None:
    owner = await web.account()
    phone = await verified(owner)
    for n in range(5):
        await phone.enters(f"10000{n}")
    assert (await phone.greeted())["standing"] == "locked"
    await set_pin(owner)
    for n in range(4):
        await phone.enters(f"10000{n}")
    assert (await phone.enters(PIN))["outcome"] == "entered"
    assert await web.db.fetchval("select failures from phone_pins") == 0


async def test_a_second_telephone_of_the_account_is_told_to_wait(web: Web) -> None:
    owner = await web.account(paid=True)
    one, other = await verified(owner), await verified(owner)
    first = await one.calls()
    assert first["outcome"] == "call"
    start = {"worker_id": "w1", "job_id": "j1"}
    await web.internal(f"/calls/{first['call_id']}/start", start)
    assert (await other.calls())["outcome"] == "busy"


async def test_who_cannot_pay_hears_why_and_nothing_is_held(web: Web) -> None:
    phone = await verified(await web.account(balance=10))
    assert (await phone.calls())["outcome"] == "no_credit"
    assert await held(web, phone) == 0
    owner = await web.account()
    frozen = await verified(owner)
    await web.db.execute(
        "update profiles set frozen_at = now() where id = $1", owner.account.user_id
    )
    assert (await frozen.calls())["outcome"] == "frozen"


async def test_a_number_that_was_removed_opens_nothing_any_more(web: Web) -> None:
    owner = await web.account()
    phone = await verified(owner)
    verdict = await phone.enters(PIN)
    number_id = (await owner.get("/api/phone-numbers")).json()["data"][0]["id"]
    gone = await web.client.delete(f"/api/phone-numbers/{number_id}", headers=owner.headers)
    assert gone.status_code == 200, gone.text
    assert (await phone.asks_for_call(verdict["entry_id"]))["outcome"] == "expired"
    assert (await phone.greeted())["standing"] == "unknown"


async def test_pins_are_hashed_slowly_and_told_to_nobody(
    web: Web, capfd: pytest.CaptureFixture[str]
) -> None:
    owner = await web.account()
    phone = await verified(owner)
    await phone.enters("918273")
    await phone.enters(PIN)
    refused = await put(owner, "/api/phone-pin", {"pin": 918273})
    assert refused.status_code == 400
    assert "918273" not in refused.text
    bad = await web.internal(
        "/phone/digits", {"from_number": "1", "to_number": "1", "digits": "9182x"}
    )
    assert bad.status_code == 400
    assert "9182" not in bad.text
    row = await web.db.fetchrow("select salt, hash from phone_pins")
    assert row is not None
    assert PIN.encode() not in row["hash"]
    printed = capfd.readouterr()
    for secret in (PIN, "918273"):
        assert secret not in printed.out + printed.err
        for table in ("phone_numbers", "phone_entries", "webhook_inbox", "call_sessions"):
            count = await web.db.fetchval(
                f"select count(*) from {table} t where t::text like '%' || $1 || '%'", secret
            )
            assert count == 0, table
    shown = (await web.client.get("/metrics")).text
    assert PIN not in shown
    assert "phone_pins_total" in shown


async def test_an_account_has_five_numbers_at_most(web: Web) -> None:
    owner = await web.account()
    for _ in range(5):
        await claimed(owner, a_number())
    body = json.dumps({"number": a_number()})
    assert (await owner.post("/api/phone-numbers", body)).status_code == 409
    assert len((await owner.get("/api/phone-numbers")).json()["data"]) == 5


async def test_outbound_calls_are_refused_whatever_is_set(db_dsn: str) -> None:
    decided = {
        "phone_outbound": True,
        "phone_outbound_countries": "DE",
        "phone_outbound_hours": "9-18",
        "phone_outbound_caller_ids": "+49305550100",
        "phone_outbound_consent": True,
    }
    for settings in ({}, decided):
        async with running_web(web_settings(db_dsn, NOWHERE, **settings)) as web:
            answer = await (await web.account()).post("/api/phone-calls", "{}")
            assert (answer.status_code, answer.json()["code"]) == (403, "outbound_calls_off")


async def test_without_its_secret_the_phone_is_not_offered(db_dsn: str) -> None:
    async with running_web(web_settings(db_dsn, NOWHERE, phone_pin_secret=None)) as web:
        owner = await web.account()
        assert (await put(owner, "/api/phone-pin", {"pin": PIN})).status_code == 503
        assert (await Phone(web, a_number()).greeted())["standing"] == "unknown"
