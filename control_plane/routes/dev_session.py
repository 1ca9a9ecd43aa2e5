"""
POST /dev/session: the issuer of the one-machine stack. It believes any e-mail.

The route is added only when LOCAL_DEV is set; otherwise it does not exist.
"""

import re
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import jwt
from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request

from control_plane.auth import SHARED_KEY_ALGORITHM, Identity
from control_plane.http_errors import parse_json
from control_plane.mail.letters import is_mailbox
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services

router = APIRouter(tags=["local"])

SESSION_S: Final = 12 * 3600  # a working day
EMAIL_CHARS_MAX: Final = 254  # RFC 5321
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def _normal(email: str) -> str:
    """Without surrounding space, in lower case. Raises ValueError when it is no address."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise ValueError("must be an e-mail address")
    return email


class DevSessionRequest(BaseModel):
    email: Annotated[str, Field(max_length=EMAIL_CHARS_MAX), AfterValidator(_normal)]


class DevSession(Answer):
    user_id: UUID
    token: str


@router.post("/dev/session", responses=errors(400, 413, 503))
async def create_dev_session(request: Request, services: CurrentServices) -> DevSession:
    """A session of the account with this e-mail, opened when it is new."""
    wanted = parse_json(DevSessionRequest, await request.body())
    issuer = services.settings.session_jwt_issuer
    address = wanted.email if is_mailbox(wanted.email) else None
    identity = Identity(issuer, wanted.email, wanted.email, mail_address=address)
    user_id = await services.accounts.user_id_of(identity)
    return DevSession(user_id=user_id, token=sign_session(services, wanted.email))


def sign_session(services: Services, email: str) -> str:
    """A session token of the local issuer."""
    secret = services.settings.session_jwt_secret
    assert secret is not None, "settings refuse LOCAL_DEV without it"
    now = services.clock.now()
    claims = {
        "iss": services.settings.session_jwt_issuer,
        "aud": services.settings.session_jwt_audience,
        "sub": email,
        "email": email,
        "email_verified": True,  # who is on this machine is believed
        "iat": now,
        "exp": now + timedelta(seconds=SESSION_S),
    }
    return jwt.encode(claims, secret.get_secret_value(), algorithm=SHARED_KEY_ALGORITHM)
