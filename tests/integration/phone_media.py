"""A livekit-server of its own for telephones, and our command that provisions it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local.child import Child
from local.layout import ROOT, Layout
from local.livekit_build import ensure_livekit_server
from local.livekit_server import livekit_program, livekit_values, write_config
from local.ports import free_ports
from local.redis_server import redis_program, redis_socket
from tests.stack import clean_environment
from tests.web_process import Media

KEY, SECRET = "phonekey", "a secret of the tests that is long enough"
OURS = "+49305550100"
ENVIRONMENT = {"PHONE_NUMBERS": OURS, "PHONE_ALLOWED_ADDRESSES": "192.0.2.0/24"}
COMMAND_MAX_S = 30


@asynccontextmanager
async def phone_media(
    folder: Path, *, auto_create: bool = True, has_redis: bool = True
) -> AsyncIterator[Media]:
    """livekit-server from our whole file, second document included, with Redis beside it."""
    layout = Layout.of(folder)
    layout.create()
    environment: Mapping[str, str] = clean_environment()
    ports = free_ports()
    values = livekit_values(ports, api_key=KEY, control_plane_url="http://127.0.0.1:9")
    write_config(layout, values={**values, "LIVEKIT_AUTO_CREATE": str(auto_create).lower()})
    if has_redis:
        _add_redis(layout)
    binary = await ensure_livekit_server(layout, environment, print)
    url = f"127.0.0.1:{ports.livekit}"
    livekit = livekit_program(
        binary,
        layout,
        http_url=f"http://{url}/",
        keys=f"{KEY}: {SECRET}",
        environment=environment,
    )
    programs = [redis_program(layout, environment=environment)] if has_redis else []
    children = [Child(program, logs=layout.logs) for program in (*programs, livekit)]
    try:
        for child in children:
            child.start()
            await child.wait_ready()
        yield Media(f"ws://{url}", KEY, SECRET)
    finally:
        for child in reversed(children):
            await child.stop()


def _add_redis(layout: Layout) -> None:
    text = layout.livekit_config.read_text()
    assert text.count("\n---\n") == 1
    redis = f"\nredis:\n  address: {redis_socket(layout)}\n---\n"
    layout.livekit_config.write_text(text.replace("\n---\n", redis))


@dataclass(frozen=True, slots=True)
class Said:
    """What the command printed, and its exit code."""

    code: int
    out: str
    err: str


async def phone_command(media: Media, verb: str, **changes: str) -> Said:
    """`python -m control_plane.phone`, as an operator's shell starts it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "control_plane.phone",
        verb,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": clean_environment()["PATH"],
            "LIVEKIT_URL": media.url,
            "LIVEKIT_API_KEY": media.key,
            "LIVEKIT_API_SECRET": media.secret,
            **ENVIRONMENT,
            **changes,
        },
    )
    out, err = await asyncio.wait_for(process.communicate(), COMMAND_MAX_S)
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())
