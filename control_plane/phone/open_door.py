"""
Would livekit-server let a telephone in?

livekit-sip joins the room that the dispatch rule names, with a token that may not create it.
Without `auto_create` (LIVEKIT_AUTO_CREATE) livekit-server refuses, livekit-sip answers 486, and
every caller hears a busy tone, while nothing of ours ever hears of the call. So we ask beforehand.
"""

import secrets
from typing import Final

import aiohttp
from livekit import api

from shared.phone_protocol import PHONE_ROOM_PREFIX
from shared.settings import LiveKitSettings

NO_SUCH_ROOM: Final = 404
TIMEOUT_S: Final = 10.0


class DoorUnknown(Exception):
    """livekit-server gave no answer that tells."""


async def lets_phones_in(settings: LiveKitSettings) -> bool:
    """
    Asks as livekit-sip would, for a room that is not there; nobody joins and none is made.

    Raises DoorUnknown, and what the network raises.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {"Authorization": f"Bearer {_token(settings)}"}
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(f"{settings.http_url}/rtc/validate", headers=headers) as answer,
    ):
        if answer.status not in {200, NO_SUCH_ROOM}:
            raise DoorUnknown(f"status {answer.status}")
        return answer.status != NO_SUCH_ROOM


def _token(settings: LiveKitSettings) -> str:
    """With the grants that livekit's own `BuildSIPToken` gives, and no other."""
    room = f"{PHONE_ROOM_PREFIX}_door_{secrets.token_hex(6)}"
    key, secret = settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
    token = api.AccessToken(key, secret).with_identity("sip_door").with_kind("sip")
    return token.with_grants(grants).to_jwt()
