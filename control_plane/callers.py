"""
Who may use a route, as dependencies: programs by an API key, staff by the role in their session.

    caller: Annotated[ApiCaller, needs_scope(Scope.SPEECH_GENERATE)]
    caller: KeyHolder                                any key, whatever its scopes
    identity: Annotated[Identity, needs_role(Role.OPERATOR)]

A limit that is counted by key, and comes before the scope, depends on `key_holder` in the route's
`dependencies=[...]`: the key is checked once a request.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from control_plane.api_keys import ApiCaller, InvalidApiKey, Scope
from control_plane.auth import Identity, Role, bearer_token
from control_plane.services import CurrentServices
from shared.errors import Forbidden, Unauthenticated

__all__ = ["ApiCaller", "KeyHolder", "Role", "Scope", "key_holder", "needs_role", "needs_scope"]


async def key_holder(request: Request, services: CurrentServices) -> ApiCaller:
    """Raises InvalidApiKey, AccountFrozen, or ApiKeysNotOffered."""
    return await services.key_ring.check(_shown_key(request.headers))


KeyHolder = Annotated[ApiCaller, Depends(key_holder)]


def needs_scope(scope: Scope) -> Any:
    """The caller whose key has `scope`. Raises MissingScope besides."""

    async def caller_with_scope(caller: KeyHolder) -> ApiCaller:
        caller.require(scope)
        return caller

    return Depends(caller_with_scope)


def needs_role(role: Role) -> Any:
    """The session of somebody with `role` or a higher one. Raises Unauthenticated or Forbidden."""

    async def staff(request: Request, services: CurrentServices) -> Identity:
        identity = await services.sessions.verify(bearer_token(request.headers))
        if not identity.role.includes(role):
            raise Forbidden
        return identity

    return Depends(staff)


def _shown_key(headers: Mapping[str, str]) -> str:
    try:
        return bearer_token(headers)
    except Unauthenticated:
        raise InvalidApiKey from None
