"""A thousand recordings at once, over real sockets, to a web process of its own."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from control_plane.cloning.upload import FILE_BYTES_MAX
from control_plane.cloning.upload_gate import UPLOADS_MAX
from tests import builders
from tests.fakes.reading_voice import reading_voice
from tests.integration.served_web import served_program
from tests.web_process import Media

UPLOADS = 1_000
LARGE = 150  # of them; kept all at once, they and their copies would be 1.4 GB
ANSWERED_S_MAX = 200.0
# What those inside may hold: the pieces, the parser's copy, the worker's, and what malloc keeps.
GROWTH_BYTES_MAX = UPLOADS_MAX * 4 * FILE_BYTES_MAX
SETTINGS: dict[str, Any] = {"LOCAL_DEV": "true", "CLONES_PER_MINUTE": "100000"}


def form_with(recording: bytes) -> bytes:
    """A whole form, once for all who send it."""
    fields = {"text": "Hello from my clone.", "locale": "en"}
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="me.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n"
    )
    return b"".join([*parts, head, recording, b"\r\n--b--\r\n"])


def memory_of(pid: int, name: str) -> int:
    """VmRSS or VmHWM (the most there was) in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"{name} is not there")


@pytest.mark.timeout(400)
async def test_a_thousand_at_once_are_answered_in_bounded_memory(
    db_dsn: str, no_media: Media
) -> None:
    pids: list[int] = []
    async with (
        reading_voice() as voice,
        served_program(db_dsn, no_media, voice, pids=pids, **SETTINGS) as program,
    ):
        form_header = "multipart/form-data; boundary=b"
        headers = {**program.owner.headers, "Content-Type": form_header}
        small, large = form_with(b"no audio at all"), form_with(bytes(FILE_BYTES_MAX))

        async def send(client: httpx2.AsyncClient, body: bytes) -> httpx2.Response:
            return await client.post("/api/clone-voice", content=body, headers=headers)

        async with httpx2.AsyncClient(
            base_url=program.web.client.base_url,
            # A kept connection may be closed by the server while this busy client picks it up.
            limits=httpx2.Limits(max_connections=UPLOADS, max_keepalive_connections=0),
            timeout=ANSWERED_S_MAX,
        ) as client:
            assert (await send(client, small)).status_code == 400
            before = memory_of(pids[0], "VmRSS")
            async with asyncio.timeout(ANSWERED_S_MAX):
                answers = await asyncio.gather(
                    *(send(client, large if n < LARGE else small) for n in range(UPLOADS))
                )
            grown = memory_of(pids[0], "VmHWM") - before
            assert (await send(client, small)).status_code == 400  # it is alive

        told = {(answer.status_code, answer.json()["code"]) for answer in answers}
        assert told <= {
            (400, "errors.unsupportedAudioFormat"),
            (503, "errors.tooManyUploads"),  # who has waited a minute, on a slow machine
        }
        assert (400, "errors.unsupportedAudioFormat") in told
        assert grown < GROWTH_BYTES_MAX
        assert (
            await program.web.db.fetchval("select count(*) from voices where user_id is not null")
            == 0
        )
        assert await builders.violations(program.web.db) == []
