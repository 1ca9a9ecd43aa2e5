"""What Postgres itself spends: CPU seconds of its processes, bytes of its log."""

import contextlib
from dataclasses import dataclass
from typing import Self

import asyncpg
import psutil

_WAL_BYTES = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


@dataclass(frozen=True, slots=True)
class Spent:
    cpu_s: float
    wal_bytes: int

    def __sub__(self, before: Self) -> "Spent":
        return Spent(self.cpu_s - before.cpu_s, self.wal_bytes - before.wal_bytes)


@dataclass(frozen=True, slots=True)
class PostgresMeter:
    """Of the server with process id `pid`; `connection` is only asked about its log."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    pid: int

    async def read(self) -> Spent:
        """Since the server started; the kernel counts CPU in hundredths of a second."""
        wal_bytes: int = await self.connection.fetchval(_WAL_BYTES)
        return Spent(_cpu_s(self.pid), wal_bytes)


def _cpu_s(pid: int) -> float:
    """The server, its backends, and those that have ended (their time is their parent's then)."""
    server = psutil.Process(pid)
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for backend in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            own = backend.cpu_times()
            total += own.user + own.system
    return float(total)
