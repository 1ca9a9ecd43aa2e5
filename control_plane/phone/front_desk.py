"""
Who calls, and who pays: everything between the ringing and the first second of a call.

Caller ID says whose PIN is asked for, the PIN says that it may cost, and only then is there a call.
Nothing here costs the caller anything, and no digit goes further than this module.
"""

import asyncio
import json
import math
from typing import Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from billing.charging import Authorization
from billing.errors import AccountFrozen
from billing.money import MICRO
from billing.price_book import plan_of, rate_in_force
from billing.store import accounts
from control_plane.call_request import model_for
from control_plane.calls import authorize_call, end_superseded
from control_plane.errors import CharacterNotFound
from control_plane.phone import patience, pin
from control_plane.phone.menu import Menu, body_of_call, menu_of
from control_plane.phone.numbers import e164, language_of
from control_plane.services import Services
from control_plane.store import characters, phone
from control_plane.store.phone import Entry, KnownNumber
from shared import metrics
from shared.db import Tx, transaction
from shared.errors import ActiveCall, FreeLimitReached, InsufficientCredits, NoCapacity, Refused
from shared.ids import CallId, UserId, new_call_id, new_uuid
from shared.log import get_logger
from shared.phone_protocol import (
    CODE_DIGITS,
    AskForCall,
    EnterDigits,
    GreetCaller,
    Named,
    PhoneCall,
    Verdict,
    Welcome,
)

log = get_logger(__name__)

ENTRY_TTL_S: Final = 120  # the menu is through in half a minute
# Handing on costs us, and whoever was handed on has not used their entry: so often a day.
UNUSED_MAX: Final = 5
CHANNEL: Final = "phone"
Outcome = Literal["no_credit", "free_used", "busy", "frozen", "no_capacity", "not_allowed"]


async def greet(services: Services, caller: GreetCaller) -> Welcome:
    """How to greet somebody by what the trunk says of them."""
    number = e164(caller.from_number)
    if not await patience.may_call(services, number=number, ours=caller.to_number):
        metrics.CALL_TOKENS.labels("phone_refused").inc()
        return Welcome(standing="refused", language="", credits_per_minute=0, site="")
    async with transaction(services.pool) as tx:
        known, claimed_in = await _look_up(tx, services, number)
        price = await _credits_per_minute(tx, services, number, known)
    standing = _standing(known, is_claimed=claimed_in is not None)
    return Welcome(
        standing=standing,
        language=known.language if known else claimed_in or language_of(number),
        credits_per_minute=price,
        site=urlsplit(services.settings.public_url or "").hostname or "",
        locked_minutes=_minutes(known.locked_s) if known else 0,
    )


async def _look_up(
    tx: Tx, services: Services, number: str | None
) -> tuple[KnownNumber | None, str | None]:
    """Who may enter a PIN, and the language of who may enter a code; both None for all others."""
    if number is None or services.settings.phone_pin_secret is None:
        return None, None
    known = await phone.standing_of(tx, number)
    claimed_in = await phone.claim_language(tx, number, failures_max=pin.CODE_FAILURES_MAX)
    # A number without a PIN sounds like any other: no forged caller ID tells who is a customer.
    return known if known and known.has_pin else None, claimed_in


def _standing(
    known: KnownNumber | None, *, is_claimed: bool
) -> Literal["known", "claimed", "locked", "unknown"]:
    if known is None:
        return "claimed" if is_claimed else "unknown"
    return "locked" if known.locked_s else "known"


async def take_digits(services: Services, entered: EnterDigits) -> Verdict:
    """A code proves a number, a PIN opens the menu. Both are told apart by their length."""
    number = e164(entered.from_number)
    if number is None:
        return Verdict(outcome="wrong")
    is_code = len(entered.digits) == CODE_DIGITS
    if await _may_be_right(services, number, is_code=is_code) and not await patience.may_try(
        services, ours=entered.to_number
    ):
        metrics.PHONE_PINS.labels("refused").inc()
        return Verdict(outcome="locked", locked_minutes=1)
    if is_code:
        return await _take_code(services, number, entered.digits)
    return await _take_pin(services, number, entered.digits)


async def _may_be_right(services: Services, number: str, *, is_code: bool) -> bool:
    """Whether there is anything to compare with: other entries take nobody's turn."""
    async with transaction(services.pool) as tx:
        known, claimed_in = await _look_up(tx, services, number)
    if is_code:
        return claimed_in is not None
    return known is not None and not known.locked_s


async def _take_code(services: Services, number: str, code: str) -> Verdict:
    async with transaction(services.pool) as tx:
        claim = await phone.take_claim(
            tx, number=number, code=code, failures_max=pin.CODE_FAILURES_MAX
        )
    if claim is None:
        return Verdict(outcome="wrong")
    log.info("phone_number_verified", user_id=str(claim.user_id))
    return Verdict(outcome="verified")


async def _take_pin(services: Services, number: str, digits: str) -> Verdict:
    """The attempt is counted and committed first, then judged, without a transaction open."""
    secret = services.settings.phone_pin_secret
    async with transaction(services.pool) as tx:
        known = await phone.standing_of(tx, number)
        if known is None or secret is None:
            return Verdict(outcome="wrong")
        attempt = await phone.count_attempt(
            tx,
            owner=known.user_id,
            free=pin.FREE_ATTEMPTS,
            lock_s=pin.LOCK_S,
            lock_max_s=pin.LOCK_MAX_S,
        )
    if attempt is None:
        return Verdict(outcome="wrong")
    if not attempt.allowed:
        metrics.PHONE_PINS.labels("locked").inc()
        return Verdict(outcome="locked", locked_minutes=_minutes(attempt.locked_s))
    assert attempt.salt is not None
    assert attempt.hash is not None
    is_right = await asyncio.to_thread(
        pin.is_pin, digits, salt=attempt.salt, hash_=attempt.hash, secret=secret
    )
    if is_right:
        return await _open_entry(services, number, known, attempt.hash)
    metrics.PHONE_PINS.labels("wrong").inc()
    return Verdict(outcome="wrong")


async def _open_entry(
    services: Services, number: str, known: KnownNumber, pin_hash: bytes
) -> Verdict:
    entry_id = new_uuid()
    async with transaction(services.pool) as tx:
        if not await phone.pin_was_right(tx, owner=known.user_id, hash_=pin_hash):
            return Verdict(outcome="wrong")  # changed while it was judged
        unused = await phone.unused_entries(tx, known.user_id)
        await phone.insert_entry(
            tx,
            entry_id=entry_id,
            owner=known.user_id,
            number_id=known.number_id,
            ttl_s=ENTRY_TTL_S,
        )
        menu = await menu_of(tx, UserId(known.user_id), language=known.language)
        named = await _named(tx, services, menu, number=number, known=known)
    metrics.PHONE_PINS.labels("right").inc()
    return Verdict(
        outcome="entered",
        entry_id=entry_id,
        characters=named,
        languages=list(menu.languages),
        operator=services.settings.phone_operator_number if unused < UNUSED_MAX else None,
    )


async def _named(
    tx: Tx, services: Services, menu: Menu, *, number: str, known: KnownNumber
) -> list[Named]:
    """Each with its price, so that nothing needs saying once there is a call."""
    default = services.settings.call_default_model
    models = [
        model_for(choice.session_config.get("model") or "", default=default)
        for choice in menu.characters
    ]
    prices = {
        model: await _credits_per_minute(tx, services, number, known, model=model)
        for model in set(models)
    }
    return [
        Named(id=choice.id, name=choice.name, credits_per_minute=prices[model])
        for choice, model in zip(menu.characters, models, strict=True)
    ]


class _Dearer(Exception):
    """A new price list came between the menu and the call."""


async def place(services: Services, entry_id: UUID, wish: AskForCall) -> PhoneCall:
    """
    One call for one entry, held and frozen like a call from the page, in the room it came in by.

    A refusal uses the entry up, too: the caller hears why and hangs up.
    """
    call_id = new_call_id()
    async with transaction(services.pool) as tx:
        entry = await phone.use_entry(tx, entry_id)
    if entry is None:
        return PhoneCall(outcome="expired")
    try:
        async with transaction(services.pool) as tx:
            held = await _authorize(tx, services, call_id, entry, wish)
    except (Refused, NoCapacity) as refused:
        outcome = _outcome_of(refused)
        metrics.CALL_TOKENS.labels(f"phone_{outcome}").inc()
        return PhoneCall(outcome=outcome)
    except _Dearer:
        return PhoneCall(outcome="expired")
    metrics.CALL_TOKENS.labels("phone").inc()
    end_superseded(services, held.superseded)
    return PhoneCall(outcome="call", call_id=call_id)


async def _authorize(
    tx: Tx, services: Services, call_id: CallId, entry: Entry, wish: AskForCall
) -> Authorization:
    """Raises what call tokens are refused with, and _Dearer."""
    character = None
    if wish.character is not None:
        character = await characters.find(tx, wish.character, owner=entry.user_id)
        if character is None:
            raise CharacterNotFound  # it was deleted while its name was read out
    body = body_of_call(character, language=wish.language or entry.language)
    held = await authorize_call(
        tx,
        call_id=call_id,
        user_id=UserId(entry.user_id),
        body=json.dumps(body).encode(),
        settings=services.settings,
        channel=f"{CHANNEL}:{entry.number}",
    )
    if _whole_credits(held.price_microcredits_per_minute) > wish.credits_per_minute_max:
        raise _Dearer
    await phone.mark_call(tx, call_id=call_id, room_name=wish.room_name)
    return held


def _outcome_of(refused: Refused | NoCapacity) -> Outcome:
    match refused:
        case NoCapacity():
            return "no_capacity"
        case ActiveCall():
            return "busy"
        case InsufficientCredits():
            return "no_credit"
        case FreeLimitReached():
            return "free_used"
        case AccountFrozen():
            return "frozen"
    return "not_allowed"  # an adult character without an age, a plan without characters ...


async def _credits_per_minute(
    tx: Tx,
    services: Services,
    number: str | None,
    known: KnownNumber | None,
    *,
    model: str | None = None,
) -> int:
    """What a minute costs from here, by the plan of who is known; strangers have never paid."""
    balance = await accounts.balance_of(tx, known.user_id) if known else None
    priced = await rate_in_force(
        tx,
        product="call",
        model=model or services.settings.call_default_model,
        plan=plan_of(paid=balance is not None and balance.paid),
        channel=f"{CHANNEL}:{number}" if number else CHANNEL,
    )
    return _whole_credits(priced.rate.price_microcredits)


def _whole_credits(microcredits: int) -> int:
    """Rounded up: nobody pays more than they were told."""
    return math.ceil(microcredits / MICRO)


def _minutes(seconds: int) -> int:
    return -(-seconds // 60)
