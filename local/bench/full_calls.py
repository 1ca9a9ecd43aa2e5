"""
A call with all that costs: lasting memory that fills its budget, all tools offered, one used at
nearly every turn.

The accounts are made beforehand, so that the click is the same as anybody's.
"""

import itertools
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from billing import ledger
from billing.money import from_credits
from control_plane.memories.choosing import SHARED
from control_plane.memories.embedding import HASHED, hashed
from control_plane.store import memories as store
from control_plane.store.memories import NewMemory
from local.api_client import ApiClient
from local.bench.dialer import Ticket
from local.caller import new_email
from local.stack import Stack
from shared.ids import new_uuid

ACCOUNTS = 16  # twice the calls at once, so that each has hung up when it is its turn again
MEMORIES = 40  # more than a call is told
CREDITS = 100_000
LINKS = "help=https://example.com/help"
FULL_WORDS = (
    "how much credit is left",
    "my sister lives in london",
    "please remember that",
    "what do you remember about me",
    "send me the link",
)


async def full_click(stack: Stack) -> Callable[[], Awaitable[Ticket]]:
    """Gives one of these accounts after the other a way into a room."""
    emails = [new_email() for _ in range(ACCOUNTS)]
    for email in emails:
        await _equip(stack, email)
    turns = itertools.cycle(emails)

    async def click() -> Ticket:
        async with ApiClient(stack.control_plane_url) as client:
            await client.sign_in(next(turns))
            token = await client.call_token(instructions="Be brief.", language="en", voice="Ara")
            return Ticket(token.url, token.access_token)

    return click


async def _equip(stack: Stack, email: str) -> None:
    async with ApiClient(stack.control_plane_url) as client:
        await client.sign_in(email)
        owner = UUID(client.user_id)
        await _fill(stack, owner)
        await client.request("PATCH", "/api/call-settings", {"memory": "lasting"})


async def _fill(stack: Stack, owner: UUID) -> None:
    """Bought credit, without which nothing is remembered, and memories."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        async with connection.transaction():
            await ledger.post(
                connection,
                user_id=owner,
                amount=from_credits(CREDITS),
                kind="topup",
                source="bench",
                source_id=str(new_uuid()),
            )
            for number in range(MEMORIES):
                memory = _memory(f"The caller told thing {number} of many, about their garden.")
                await store.put(connection, owner=owner, memory_id=new_uuid(), memory=memory)
    finally:
        await connection.close()


def _memory(content: str) -> NewMemory:
    return NewMemory(
        character_id=SHARED,
        memory_type=f"slot_{new_uuid().hex[:12]}",
        content=content,
        source="call",
        call_id=None,
        embedder=HASHED,
        embedding=hashed(content),
    )
