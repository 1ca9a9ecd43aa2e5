"""/api/api-keys: the keys of the account that is signed in. A key itself is shown once."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
)
from starlette.requests import Request

from billing.money import from_credits, to_credits
from control_plane import api_keys
from control_plane.api_keys import LISTED_MAX, ApiKeyNotFound, Scope, known_scopes
from control_plane.http_errors import parse_json
from control_plane.openapi import body_of
from control_plane.routes.answers import errors
from control_plane.services import CurrentServices, SignedIn
from control_plane.store import api_keys as store
from control_plane.store.api_keys import ApiKey
from shared.db import transaction
from shared.errors import Invalid

router = APIRouter(tags=["API keys"])

NAME_CHARS_MAX: Final = 100
CREDIT_LIMIT_MAX: Final = (
    1_000_000_000  # credits; more than anybody buys, and fits in micro-credits
)
EXPIRY_MAX: Final = timedelta(days=3_660)  # ten years


def _whole_scopes(words: Any) -> Any:
    """Our names of the scopes; what is no list of words is left to pydantic to refuse."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return words
    return sorted(known_scopes(words))


class KeyRequest(BaseModel):
    """Without `scopes` a key may do everything, as upstream's. `credit_limit` is in credits."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARS_MAX)
    ]
    expires_at: Annotated[AwareDatetime, Field(strict=True)] | None = None
    scopes: Annotated[list[Scope], BeforeValidator(_whole_scopes), Field(min_length=1)] = list(
        Scope
    )
    credit_limit: Annotated[int, Field(strict=True, gt=0, le=CREDIT_LIMIT_MAX)] | None = None


class KeyView(BaseModel):
    """A key without the key. `credit_limit` and `credit_used` are in credits."""

    id: UUID
    name: str
    key_prefix: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    is_active: bool
    permissions: dict[str, list[str]]
    metadata: dict[str, Any]
    credit_limit: int | float | None
    credit_used: int | float

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.id,
            name=key.name,
            key_prefix=key.key_prefix,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            expires_at=key.expires_at,
            is_active=key.is_active,
            permissions={"scopes": key.scopes},
            metadata=key.metadata,
            credit_limit=None if key.credit_limit is None else to_credits(key.credit_limit),
            credit_used=to_credits(key.credit_used),
        )


class KeyList(BaseModel):
    data: list[KeyView]


class NewKey(BaseModel):
    data: KeyView
    key: str


class Revoked(BaseModel):
    success: bool = True


@router.get("/api/api-keys", responses=errors(401, 503))
async def list_api_keys(services: CurrentServices, user_id: SignedIn) -> KeyList:
    """The account's keys, newest first, revoked ones too."""
    async with transaction(services.pool) as tx:
        keys = await store.list_keys(tx, owner=user_id, limit=LISTED_MAX)
    return KeyList(data=[KeyView.of(key) for key in keys])


@router.post(
    "/api/api-keys",
    status_code=201,
    openapi_extra=body_of(KeyRequest),
    responses=errors(400, 401, 403, 413, 503),
)
async def create_api_key(request: Request, services: CurrentServices, user_id: SignedIn) -> NewKey:
    """A key of the account; this answer is the only one that shows it."""
    secret = services.key_ring.hmac_secret
    body = await request.body()
    async with transaction(services.pool) as tx:
        await api_keys.check_may_create(tx, user_id)
        wanted = parse_json(KeyRequest, body)
        limit = wanted.credit_limit
        made = await api_keys.create(
            tx,
            owner=user_id,
            name=wanted.name,
            scopes=wanted.scopes,
            credit_limit=None if limit is None else from_credits(limit),
            expires_at=_checked_expiry(wanted.expires_at, services.clock.now()),
            hmac_secret=secret,
        )
    return NewKey(data=KeyView.of(made.row), key=made.key)


@router.delete("/api/api-keys/{key_id}", responses=errors(401, 404, 503))
async def revoke_api_key(key_id: UUID, services: CurrentServices, user_id: SignedIn) -> Revoked:
    """End a key for good. Work it has begun is finished and paid for."""
    async with transaction(services.pool) as tx:
        if not await store.revoke(tx, key_id=key_id, owner=user_id):
            raise ApiKeyNotFound
    services.key_ring.forget(key_id)
    return Revoked()


def _checked_expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    """In UTC. Raises Invalid unless it lies in the next ten years."""
    if expires_at is None:
        return None
    if not now < expires_at <= now + EXPIRY_MAX:  # first: year 9999 cannot be converted
        raise Invalid(
            "Invalid request body",
            details="expires_at: must be in the next ten years",
            param="expires_at",
        )
    return expires_at.astimezone(UTC)
