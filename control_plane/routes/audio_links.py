"""
Audio in the local folder, by the links of `objects/links.py`. Whoever has a link may listen.

A wrong signature is 403. After its end a link answers 404 as if the audio were gone, and as it does
when it is: a client has one thing to do about both, ask for a new link.
"""

import asyncio
from os import stat_result
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from control_plane.objects.keys import is_key
from control_plane.objects.links import LINK_PATH
from control_plane.objects.opening import link_signature
from control_plane.objects.port import ObjectGone
from control_plane.objects.settings import ObjectSettings
from control_plane.routes.answers import errors
from control_plane.services import CurrentServices
from shared.errors import Forbidden

_AUDIO: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"audio/*": {}}, "description": "The audio"},
    206: {"content": {"audio/*": {}}, "description": "The part of it that Range asked for"},
    416: {"content": {"text/plain": {}}, "description": "Range lies outside of it"},
}

Expires = Annotated[int, Query(ge=0, le=2**53, description="Seconds since 1970")]
MediaType = Annotated[str, Query(alias="type", max_length=100)]
Signature = Annotated[str, Query(max_length=100)]


class BadLink(Forbidden):
    """This link is not valid"""

    code = "bad_link"


def audio_links_router(settings: ObjectSettings) -> APIRouter:
    """The route of links into the folder; a bucket answers its links by itself."""
    router = APIRouter(tags=["audio"])
    signature_of_link = link_signature(settings)

    async def get_audio(
        *,
        key: str,
        request: Request,
        services: CurrentServices,
        expires: Expires,
        media_type: MediaType,
        signature: Signature,
    ) -> Response:
        """The audio of a link that we gave out; supports Range."""
        if not is_key(key) or not signature_of_link.is_valid(
            signature, key=key, expires=expires, media_type=media_type
        ):
            raise BadLink
        left_s = expires - int(services.clock.now().timestamp())
        if left_s <= 0:
            raise ObjectGone
        path = settings.objects_dir / key
        headers = {"Content-Disposition": "inline", "X-Content-Type-Options": "nosniff"}
        # Here, because the boundary would forbid to keep what a player asks for again and again.
        request.state.response_headers["cache-control"] = f"private, max-age={left_s}"
        found = await asyncio.to_thread(_stat, path)
        return FileResponse(path, headers=headers, media_type=media_type, stat_result=found)

    path = LINK_PATH + "/{key:path}"
    responses = {**_AUDIO, **errors(400, 403, 404)}
    router.get(path, response_class=Response, responses=responses)(get_audio)
    router.head(path, response_class=Response, include_in_schema=False)(get_audio)
    return router


def _stat(path: Path) -> stat_result:
    """Raises ObjectGone where no file is."""
    if not path.is_file():
        raise ObjectGone
    return path.stat()
