"""`python -m control_plane.admin`, as somebody at a shell uses it."""

import asyncio
import os
import subprocess
import sys

import asyncpg

from billing import audit
from control_plane.admin.__main__ import parser, run
from tests import builders
from tests.web_process import Web

BY = ["--by", "olga", "--reason", "ticket 4711"]


async def admin(
    dsn: str, *words: str, module: str = "control_plane.admin", stdin: str = ""
) -> tuple[int, str]:
    env = {**os.environ, "DATABASE_URL": dsn}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", module, *words],
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def shell(web: Web, *words: str) -> str:
    """The same without a process of its own, which takes seconds."""
    async with web.db.transaction():
        return await run(web.db, parser().parse_args(words))


async def test_an_evening_at_the_shell(db_dsn: str) -> None:
    db = await asyncpg.connect(db_dsn)
    try:
        account = await builders.account(db, balance=100)
        who = str(account.user_id)

        status, said = await admin(db_dsn, "find", "--email", account.email.upper())
        assert (status, who in said) == (0, True)
        status, said = await admin(db_dsn, "find", "--email", "nobody@example.test")
        assert (status, said) == (1, "refused: Account not found\n")

        for expected in ("done, key ticket-4711", "nothing was done"):
            status, said = await admin(db_dsn, "grant", who, "50", *BY, "--key", "ticket-4711")
            assert (status, expected in said, "balance    150" in said) == (0, True, True)
        status, said = await admin(db_dsn, "adjust", who, "-30", *BY)
        assert (status, "balance    120" in said) == (0, True)
        status, said = await admin(db_dsn, "grant", who, "1", "--by", "olga", "--reason", "x")
        assert (status, said.startswith("refused: A reason of 3 to 500")) == (1, True)

        assert (await admin(db_dsn, "freeze", who, *BY))[0] == 0
        assert await admin(db_dsn, "freeze", who, *BY) == (
            1,
            "refused: This account is frozen already\n",
        )
        status, said = await admin(db_dsn, "show", who)
        assert status == 0
        for line in ("frozen     since", "promotional", "shell:olga: ticket 4711", "#3  freeze"):
            assert line in said
        assert (await admin(db_dsn, "unfreeze", who, *BY))[0] == 0

        assert await admin(db_dsn, "dead-letters", "list") == (0, "no dead letters\n")
        await db.execute(
            "insert into webhook_inbox(source, event_id, kind, payload, attempts, dead_at)"
            " values ('stripe', 'evt_1', 'charge.refunded',"
            """ '{"object_type": "charge", "object_id": "ch_1"}', 12, now())"""
        )
        assert "evt_1" in (await admin(db_dsn, "dead-letters", "list"))[1]
        status, said = await admin(db_dsn, "dead-letters", "retry", "evt_1", *BY)
        assert (status, said) == (0, "1 will be tried again\n")
        assert (await admin(db_dsn, "dead-letters", "list"))[1] == "no dead letters\n"

        price = ["costs", "set", "call", "new-model", "second", "40000", "60"]
        status, said = await admin(db_dsn, *price, *BY)
        assert (status, "new-model: 40000 millionths" in said) == (0, True)

        actions = await db.fetch("select action from audit_log order by sequence")
        assert [row["action"] for row in actions] == [
            *("grant", "adjust", "freeze", "unfreeze", "retry_dead_letters", "provider_cost")
        ]
        assert [problem async for problem in audit.problems(db)] == []
        status, said = await admin(db_dsn, module="billing.audit")
        assert (status, said) == (0, "the audit log is one unbroken chain\n")
        assert await builders.violations(db) == []
    finally:
        await db.close()
