"""/api/phone-numbers and /api/phone-pin: the telephones and the PIN of the account signed in."""

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from control_plane.http_errors import parse_json
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.phone import pin
from control_plane.phone.menu import SPOKEN
from control_plane.phone.numbers import e164
from control_plane.phone.outbound import OutboundCallsOff
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.store import phone
from control_plane.store.phone import PhoneNumber
from shared.db import transaction
from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.ids import new_uuid
from shared.languages import DEFAULT_LANGUAGE, ENGLISH_NAMES

router = APIRouter(tags=["Phone"])

NUMBERS_MAX: Final = 5  # of one account; a household has fewer telephones


class PhoneNumberNotFound(NotFound):
    """Phone number not found"""

    code = "phone_number_not_found"


class TooManyNumbers(Conflict):
    """An account has at most five phone numbers; remove one first"""

    code = "too_many_phone_numbers"


class PhoneNotOffered(Unavailable):
    """Calls by phone are not offered here"""

    code = "phone_not_offered"


class _Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, strict=True, extra="forbid", hide_input_in_errors=True
    )


class NumberRequest(_Body):
    """`number` with its country code. `language` is the one the caller is greeted in."""

    number: Annotated[str, Field(min_length=1, max_length=40)]
    language: Annotated[str, Field(max_length=10)] = DEFAULT_LANGUAGE


class PinRequest(_Body):
    """Six digits."""

    pin: Annotated[SecretStr, Field(min_length=1, max_length=16)]


class NumberView(Answer):
    id: UUID
    number: str
    language: str
    verified_at: datetime | None
    code_expires_at: datetime | None


class NumberList(Answer):
    """`call_numbers` are ours, to be called."""

    data: list[NumberView]
    pin_is_set: bool
    call_numbers: list[str]


class NewNumber(Answer):
    """Call from it until `data.code_expires_at` and enter `code`; null: it is verified already."""

    data: NumberView
    code: str | None


class Done(Answer):
    success: bool = True


@router.get("/api/phone-numbers", responses=errors(401, 503))
async def list_phone_numbers(services: CurrentServices, user_id: SignedIn) -> NumberList:
    """The account's telephones, newest first."""
    async with transaction(services.pool) as tx:
        numbers = await phone.list_numbers(tx, owner=user_id, limit=NUMBERS_MAX)
        is_set = await phone.pin_is_set(tx, owner=user_id)
    return NumberList(
        data=[_view(number) for number in numbers],
        pin_is_set=is_set,
        call_numbers=services.settings.call_numbers,
    )


@router.post(
    "/api/phone-numbers",
    status_code=201,
    dependencies=[limited("call_token")],
    openapi_extra=body_of(NumberRequest),
    responses=errors(400, 401, 409, 413, 429, 503),
)
async def add_phone_number(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> NewNumber:
    """
    Claim a telephone. It is verified when the code is entered on its keypad in a call to us, which
    costs nothing; asking again gives a new code. Whether others have the number is not told.
    """
    _secret(services)
    wanted = parse_json(NumberRequest, await request.body())
    number = e164(wanted.number)
    if number is None:
        raise Invalid("Invalid request body", details="number: with country code, as +4930123456")
    if wanted.language not in ENGLISH_NAMES:
        raise Invalid("Invalid request body", details=f"language: one of {', '.join(SPOKEN)}")
    code = pin.new_code()
    async with transaction(services.pool) as tx:
        claimed = await phone.claim(
            tx,
            number_id=new_uuid(),
            owner=user_id,
            number=number,
            language=wanted.language,
            code=code,
            ttl_s=pin.CODE_TTL_S,
        )
        if await phone.count_numbers(tx, owner=user_id) > NUMBERS_MAX:
            raise TooManyNumbers
    return NewNumber(data=_view(claimed), code=None if claimed.verified_at else code)


@router.delete("/api/phone-numbers/{number_id}", responses=errors(401, 404, 503))
async def remove_phone_number(
    number_id: UUID, services: CurrentServices, user_id: SignedIn
) -> Done:
    """From now on a call from there is a stranger's. A call that goes on is not ended."""
    async with transaction(services.pool) as tx:
        if not await phone.remove(tx, number_id=number_id, owner=user_id):
            raise PhoneNumberNotFound
    return Done()


@router.put(
    "/api/phone-pin",
    dependencies=[limited("call_token")],
    openapi_extra=body_of(PinRequest),
    responses=errors(400, 401, 413, 429, 503),
)
async def set_phone_pin(request: Request, services: CurrentServices, user_id: SignedIn) -> Done:
    """Set or change the PIN of all telephones of the account; a lock after wrong PINs ends."""
    secret = _secret(services)
    wanted = parse_json(PinRequest, await request.body()).pin.get_secret_value()
    pin.check_pin(wanted)
    salt = pin.new_salt()
    hash_ = await asyncio.to_thread(pin.pin_hash, wanted, salt=salt, secret=secret)
    async with transaction(services.pool) as tx:
        await phone.set_pin(tx, owner=user_id, salt=salt, hash_=hash_)
    return Done()


@router.delete("/api/phone-pin", responses=errors(401, 404, 503))
async def forget_phone_pin(services: CurrentServices, user_id: SignedIn) -> Done:
    """Without a PIN no call by phone is paid by this account."""
    async with transaction(services.pool) as tx:
        if not await phone.forget_pin(tx, owner=user_id):
            raise PhoneNumberNotFound("No PIN is set")
    return Done()


@router.post("/api/phone-calls", responses=errors(401, 403, 503))
async def call_out(_user_id: SignedIn) -> Done:
    """Calls from us to people are off; always 403."""
    raise OutboundCallsOff


def _secret(services: Services) -> SecretStr:
    """Raises PhoneNotOffered where no secret is set to hash PINs with."""
    if services.settings.phone_pin_secret is None:
        raise PhoneNotOffered
    return services.settings.phone_pin_secret


def _view(number: PhoneNumber) -> NumberView:
    return NumberView(
        id=number.id,
        number=number.number,
        language=number.language,
        verified_at=number.verified_at,
        code_expires_at=number.code_expires_at,
    )
