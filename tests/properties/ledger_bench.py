"""A handful of accounts and calls on real Postgres, driven through the real SQL functions."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from shared.ids import new_uuid
from tests.properties.storm import TIME_FLIES

T = TypeVar("T")


class LedgerBench:
    """Synchronous face over one connection, for Hypothesis state machines."""

    def __init__(self, dsn: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection = self.run(asyncpg.connect(dsn))
        self.execute(TIME_FLIES)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self._connection.close())
        self._loop.close()

    def value(self, sql: str, *args: object) -> Any:
        return self.run(self._connection.fetchval(sql, *args))

    def rows(self, sql: str, *args: object) -> list[Any]:
        return [tuple(row) for row in self.run(self._connection.fetch(sql, *args))]

    def execute(self, sql: str, *args: object) -> None:
        self.run(self._connection.execute(sql, *args))

    def open_account(self) -> UUID:
        user = new_uuid()
        self.execute(
            "insert into profiles(id, issuer, subject) values ($1, 'test', $2)", user, str(user)
        )
        self.execute("insert into credits(user_id) values ($1)", user)
        return user

    def start(self, call: UUID, worker: str, job: str) -> int | None:
        """The new epoch; None when the call is not open."""
        epoch: int | None = self.value(
            "select epoch from call_start_v1($1, $2, $3, 0)", call, worker, job
        )
        return epoch

    def settle(self, reports: list[tuple[UUID, int, int]], want: int, low: int) -> dict[UUID, Any]:
        answers = self.rows(
            "select call_id, standing, seconds, granted from calls_settle_v2($1, $2, $3, $4, $5)",
            [r[0] for r in reports],
            [r[1] for r in reports],
            [r[2] for r in reports],
            want,
            low,
        )
        return {row[0]: row[1:] for row in answers}

    def close_call(self, call: UUID, epoch: int | None, upto: int) -> tuple[int, bool] | None:
        """Billed seconds and whether it was closed before; None when fenced."""
        try:
            rows = self.rows(
                "select seconds, already_closed "
                "from call_close_v2($1, $2, $3, 'caller_hangup', 'agent', 'agent')",
                call,
                epoch,
                upto,
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate == "40P99":
                return None
            raise
        return rows[0] if rows else None

    def violations(self) -> list[Any]:
        return self.rows("select invariant, key from invariant_violations")
