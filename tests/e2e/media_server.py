"""A real livekit-server of the tests' own, with the tokens that its callers need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit import api
from livekit.protocol.models import DataPacket

from local.stack import Stack
from shared.call_protocol import CALLER_IDENTITY, TOPIC_NOTICE, Notice
from shared.ids import new_uuid, room_name_of
from tests.stack import clean_environment


@dataclass(frozen=True, slots=True)
class MediaServer:
    url: str
    key: str
    secret: str
    stack: Stack

    async def ticket(self, **fields: Any) -> dict[str, Any]:
        """What POST /api/call-token answers for a new call, whose room is there."""
        call_id = new_uuid()
        async with self._api() as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name=room_name_of(call_id)))
        grants = api.VideoGrants(room_join=True, room=room_name_of(call_id))
        token = api.AccessToken(self.key, self.secret).with_identity(CALLER_IDENTITY)
        return {
            "accessToken": token.with_grants(grants).to_jwt(),
            "url": self.url,
            "callId": str(call_id),
            "expiresAt": "2099-01-01T00:00:00Z",
            "creditsPerMinute": 1000,
            "maxSeconds": 600,
            **fields,
        }

    def guest_token(self, room_name: str) -> str:
        """For somebody who is neither the caller nor an agent."""
        grants = api.VideoGrants(room_join=True, room=room_name)
        token = api.AccessToken(self.key, self.secret).with_identity("guest")
        return token.with_grants(grants).to_jwt()

    async def close_room(self, call_id: str) -> None:
        """As the control plane ends a call."""
        async with self._api() as livekit:
            await livekit.room.delete_room(api.DeleteRoomRequest(room=f"ro-{call_id}"))

    async def send_notice(self, call_id: str, kind: str, message: str) -> None:
        """As the control plane tells a caller whose agent is late or lost."""
        notice = Notice.model_validate({"kind": kind, "message": message})
        request = api.SendDataRequest(
            room=f"ro-{call_id}",
            data=notice.model_dump_json().encode(),
            kind=DataPacket.Kind.RELIABLE,
            topic=TOPIC_NOTICE,
        )
        async with self._api() as livekit:
            await livekit.room.send_data(request)

    def _api(self) -> api.LiveKitAPI:
        return api.LiveKitAPI("http" + self.url.removeprefix("ws"), self.key, self.secret)


@asynccontextmanager
async def run_media_server(folder: Path) -> AsyncIterator[MediaServer]:
    async with Stack.start(
        data_dir=folder, environment=clean_environment(), only=("livekit",)
    ) as stack:
        env = stack.env
        yield MediaServer(
            url=env["LIVEKIT_URL"],
            key=env["LIVEKIT_API_KEY"],
            secret=env["LIVEKIT_API_SECRET"],
            stack=stack,
        )
