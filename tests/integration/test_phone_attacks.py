"""The desk as an attacker meets it: hostile caller IDs, floods, guesses over many accounts."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from control_plane.phone.front_desk import UNUSED_MAX
from control_plane.phone.pin import FREE_ATTEMPTS
from tests.integration.owned_resources import a_character
from tests.integration.phone_rig import OURS, PIN, Phone, a_number, claimed, verified
from tests.integration.test_phone_desk import NOWHERE, held
from tests.web_process import Web, running_web, web_settings

HOSTILE = (
    "",
    "anonymous",
    "+",
    "0" * 64,
    "+" + "9" * 63,
    "+4930123456;phone-context=evil",
    "<script>alert(1)</script>",
    '"><img src=x>',
    "'; drop table phone_numbers; --",
    "+49 30 1234\r\nX-Injected: yes",
    "+49\u202e65432",
    "\uff0b\uff14\uff1930123456",
    "+٤٩٣٠١٢٣٤٥٦",
    "sip:+4930123456@evil.example",
    "%2B4930123456",
    "{site}{price}",
)


@pytest_asyncio.fixture
async def web(db_dsn: str) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, NOWHERE)) as running:
        yield running


@pytest.mark.parametrize("caller_id", HOSTILE)
async def test_a_hostile_caller_id_is_a_stranger_s(web: Web, caller_id: str) -> None:
    phone = Phone(web, caller_id)
    assert (await phone.greeted())["standing"] == "unknown"
    assert (await phone.enters(PIN))["outcome"] == "wrong"
    assert (await phone.enters("12345678"))["outcome"] == "wrong"


async def test_a_caller_id_longer_than_any_number_is_refused_without_being_repeated(
    web: Web,
) -> None:
    body = {"from_number": "7" * 1_000, "to_number": OURS}
    answer = await web.internal("/phone/greet", body)
    assert answer.status_code == 400
    assert "7777" not in answer.text


async def test_a_known_number_in_another_spelling_is_the_same_number(web: Web) -> None:
    phone = await verified(await web.account())
    digits = phone.number[1:]
    for spelling in (f"00{digits}", digits, f"+{digits[:2]} ({digits[2:5]}) {digits[5:]}"):
        assert (await Phone(web, spelling).greeted())["standing"] == "known"


async def test_the_seventh_call_in_a_row_from_one_number_is_not_answered(web: Web) -> None:
    phone, other = Phone(web, a_number()), Phone(web, a_number())
    told = [(await phone.greeted())["standing"] for _ in range(7)]
    assert told == ["unknown"] * 6 + ["refused"]
    spelled_otherwise = Phone(web, f"00{phone.number[1:]}")
    assert (await spelled_otherwise.greeted())["standing"] == "refused"
    assert (await other.greeted())["standing"] == "unknown"


async def test_guesses_over_many_accounts_are_limited_by_our_number(db_dsn: str) -> None:
    settings = web_settings(db_dsn, NOWHERE, phone_pins_per_minute=12)
    async with running_web(settings) as web:
        phones = [await verified(await web.account()) for _ in range(4)]  # four codes were entered
        guesses = [phone.enters(f"{10**5 + n}") for n in range(3) for phone in phones]
        outcomes = [verdict["outcome"] for verdict in await asyncio.gather(*guesses)]
        assert (outcomes.count("wrong"), outcomes.count("locked")) == (8, 4)
        assert (await phones[0].enters(PIN))["outcome"] == "locked", "the right one, too late"
        assert await web.db.fetchval("select sum(failures) from phone_pins") == 8


async def test_whoever_cannot_be_right_takes_nobody_s_turn(db_dsn: str) -> None:
    """One telephone that enters digits without end would stop all others on that number."""
    settings = web_settings(db_dsn, NOWHERE, phone_pins_per_minute=12)
    async with running_web(settings) as web:
        customer, locked = [await verified(await web.account()) for _ in range(2)]  # two codes
        stranger = Phone(web, a_number())
        for n in range(20):
            await stranger.enters(f"{10**5 + n}")
            await stranger.enters(f"{10**7 + n}")
        wrong = [(await locked.enters(f"{10**5 + n}"))["outcome"] for n in range(20)]
        assert (wrong.count("wrong"), wrong[-1]) == (FREE_ATTEMPTS, "locked")
        assert (await customer.enters(PIN))["outcome"] == "entered"


async def test_who_is_handed_on_again_and_again_meets_nobody_at_the_desk(db_dsn: str) -> None:
    """Each time costs us a call to the operator, and none is paid by the caller."""
    settings = web_settings(db_dsn, NOWHERE, phone_operator_number="+49305550111")
    async with running_web(settings) as web:
        phone = await verified(await web.account(balance=100_000, paid=True))
        told = [(await phone.enters(PIN))["operator"] for _ in range(UNUSED_MAX + 1)]
        assert told == ["+49305550111"] * UNUSED_MAX + [None]
        other = await verified(await web.account(balance=100_000, paid=True))
        for _ in range(UNUSED_MAX + 1):
            verdict = await other.enters(PIN)
            await other.asks_for_call(verdict["entry_id"])
        assert verdict["operator"], "who begins calls is not handed on"


async def test_strangers_and_customers_without_a_pin_get_the_same_answers(web: Web) -> None:
    owner = await web.account()
    customer = Phone(web, a_number())
    code = (await claimed(owner, customer.number, language="fr"))["code"]
    assert (await customer.enters(code))["outcome"] == "verified"
    stranger = Phone(web, a_number())

    async def answers(phone: Phone) -> list[dict[str, Any]]:
        return [await phone.greeted(), await phone.enters(PIN), await phone.enters("00000000")]

    assert await answers(customer) == await answers(stranger)


async def test_an_entry_buys_nothing_for_another_s_character_and_an_unknown_language(
    web: Web,
) -> None:
    phone, victim = await verified(await web.account()), await web.account(paid=True)
    stolen = (await a_character(victim))["character_id"]
    entry = (await phone.enters(PIN))["entry_id"]
    assert (await phone.asks_for_call(entry, character=stolen))["outcome"] == "not_allowed"
    entry = (await phone.enters(PIN))["entry_id"]
    assert (await phone.asks_for_call(entry, language="xx"))["outcome"] == "not_allowed"
    assert await held(web, phone) == 0


async def test_the_desk_answers_workers_only(web: Web) -> None:
    body = json.dumps({"from_number": a_number(), "to_number": OURS})
    for headers in ({}, {"Authorization": "Bearer wrong"}, (await web.account()).headers):
        answer = await web.client.post("/internal/v1/phone/greet", content=body, headers=headers)
        assert answer.status_code == 401
