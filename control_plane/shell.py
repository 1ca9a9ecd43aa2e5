"""What commands share that somebody at a shell runs against the database."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

import asyncpg

from shared.db import CONNECT_TIMEOUT_S, STATEMENT_TIMEOUT_S, Tx
from shared.errors import AppError
from shared.settings import PostgresSettings


def add_responsible(command: argparse.ArgumentParser) -> None:
    """For what is written to the audit log."""
    command.add_argument("--by", required=True, metavar="NAME", help="who does it")
    command.add_argument("--reason", required=True, metavar="TEXT", help="why")


def actor_of(arguments: argparse.Namespace) -> str:
    return f"shell:{arguments.by}"


def run_command(do: Callable[[Tx], Awaitable[str]]) -> int:
    """The exit code: 0 when done, with what to print; 1 when refused, with the reason."""
    try:
        sys.stdout.write(asyncio.run(_in_transaction(do)) + "\n")
    except AppError as refused:
        sys.stderr.write(f"refused: {refused.message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"refused: {type(error).__name__}\n")
        return 1
    return 0


async def _in_transaction(do: Callable[[Tx], Awaitable[str]]) -> str:
    dsn = PostgresSettings().database_url.get_secret_value()
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S
    )
    try:
        async with connection.transaction():
            return await do(connection)
    finally:
        await connection.close()
