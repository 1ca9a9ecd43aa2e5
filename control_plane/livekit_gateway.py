"""
The media server, and the only module here that knows its API.

Every method waits at most LIVEKIT_TIMEOUT_S and raises `Unavailable` when there was no usable
answer: then nobody knows whether the request was done, and nothing may be concluded from it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import aiohttp
from livekit import api

from control_plane.rooms_port import Participant
from shared.call_protocol import AGENT_NAME, CALLER_IDENTITY, TOPIC_NOTICE, Notice
from shared.errors import Unauthenticated, Unavailable
from shared.log import get_logger
from shared.settings import LiveKitSettings

log = get_logger(__name__)

LIVEKIT_TIMEOUT_S: Final = 3.0  # a healthy answer takes 2-20 ms; a caller waits for this one
RETRY_AFTER_S: Final = 5
TOKEN_TTL_S: Final = 90  # an unused call expires after 60 s; the rest is a slow network
EMPTY_TIMEOUT_S: Final = 60  # as long as an unused call lives
DEPARTURE_TIMEOUT_S: Final = 20  # as long as a lost caller may take to come back
PARTICIPANTS_MAX: Final = 4  # caller, agent, the agent that replaces it, one to spare
NONCE_BYTES: Final = 16  # lets the server drop a notice that is sent twice


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A verified webhook. `created_at_s` is Unix time by the media server's clock."""

    id: str
    kind: str
    created_at_s: int


class LiveKitGateway:
    """Must be built inside a running event loop, and closed."""

    def __init__(self, settings: LiveKitSettings) -> None:
        self._key = settings.livekit_api_key
        self._secret = settings.livekit_api_secret.get_secret_value()
        self._api = api.LiveKitAPI(
            settings.http_url,
            self._key,
            self._secret,
            timeout=aiohttp.ClientTimeout(total=LIVEKIT_TIMEOUT_S),
        )
        verifier = api.TokenVerifier(self._key, self._secret)
        self._webhooks = api.WebhookReceiver(verifier)

    async def close(self) -> None:
        await self._api.aclose()

    def caller_token(self, room_name: str) -> str:
        """A token that lets the caller into one room: no name, no metadata, no right to set any."""
        grants = api.VideoGrants(
            room_join=True,
            room=room_name,
            can_publish=True,
            can_publish_sources=["microphone"],
            can_subscribe=True,
            can_publish_data=True,
            can_update_own_metadata=False,
        )
        token = api.AccessToken(self._key, self._secret)
        token.with_identity(CALLER_IDENTITY).with_grants(grants)
        return token.with_ttl(timedelta(seconds=TOKEN_TTL_S)).to_jwt()

    def read_webhook(self, body: bytes, token: str) -> WebhookEvent:
        """Raises Unauthenticated unless the media server signed exactly this body."""
        try:
            event = self._webhooks.receive(body.decode(), token)
        except Exception as error:  # the library raises bare Exception for a wrong hash
            raise Unauthenticated("Invalid signature") from error
        return WebhookEvent(event.id, event.event, event.created_at)

    async def create_call_room(self, room_name: str, call_id: UUID) -> None:
        """Make the room and ask for an agent in it; the dispatch tells the call id, no more."""
        dispatch = api.RoomAgentDispatch(agent_name=AGENT_NAME, metadata=str(call_id))
        request = api.CreateRoomRequest(
            name=room_name,
            empty_timeout=EMPTY_TIMEOUT_S,
            departure_timeout=DEPARTURE_TIMEOUT_S,
            max_participants=PARTICIPANTS_MAX,
            agents=[dispatch],
        )
        async with _answered():
            await self._api.room.create_room(request)

    async def dispatch_agent(self, room_name: str, call_id: UUID) -> None:
        """Ask for an agent in an existing room."""
        request = api.CreateAgentDispatchRequest(
            agent_name=AGENT_NAME, room=room_name, metadata=str(call_id)
        )
        async with _answered():
            await self._api.agent_dispatch.create_dispatch(request)

    async def delete_room(self, room_name: str) -> None:
        """Send everybody away; a room that is gone already is fine."""
        async with _answered(missing_is_fine=True):
            await self._api.room.delete_room(api.DeleteRoomRequest(room=room_name))

    async def participants(self, room_name: str) -> list[Participant]:
        """Who is in the room; empty when there is no such room."""
        request = api.ListParticipantsRequest(room=room_name)
        answer = api.ListParticipantsResponse()
        async with _answered(missing_is_fine=True):
            answer = await self._api.room.list_participants(request)
        return [_participant(info) for info in answer.participants]

    async def room_names(self) -> list[str]:
        async with _answered():
            answer = await self._api.room.list_rooms(api.ListRoomsRequest())
        return [room.name for room in answer.rooms]

    async def send_notice(self, room_name: str, notice: Notice) -> None:
        """Tell the caller something in words; lost when nobody is in the room."""
        if not await self.participants(room_name):
            return  # the server would look for the room for 3 s, and then call it unavailable
        request = api.SendDataRequest(
            room=room_name,
            data=notice.model_dump_json().encode(),
            kind=api.DataPacket.Kind.RELIABLE,
            destination_identities=[CALLER_IDENTITY],
            topic=TOPIC_NOTICE,
            nonce=secrets.token_bytes(NONCE_BYTES),
        )
        async with _answered():
            await self._api.room.send_data(request)

    async def ping(self) -> None:
        """Is it there, and does it accept our key?"""
        async with _answered():
            await self._api.room.list_rooms(api.ListRoomsRequest(names=["-"]))


@asynccontextmanager
async def _answered(*, missing_is_fine: bool = False) -> AsyncIterator[None]:
    """Turn every way in which a request can fail into Unavailable."""
    try:
        async with asyncio.timeout(LIVEKIT_TIMEOUT_S):
            yield
    except api.ServerError as error:
        if missing_is_fine and error.code == api.ServerErrorCode.NOT_FOUND:
            return
        log.warning("media_server_refused", dependency="livekit", code=error.code)
        raise _unavailable() from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unavailable() from error


def _unavailable() -> Unavailable:
    return Unavailable("The media server is not reachable", retry_after_s=RETRY_AFTER_S)


def _participant(info: api.ParticipantInfo) -> Participant:
    is_agent = info.kind == api.ParticipantInfo.Kind.AGENT
    is_phone = info.kind == api.ParticipantInfo.Kind.SIP
    return Participant(identity=info.identity, sid=info.sid, is_agent=is_agent, is_phone=is_phone)
