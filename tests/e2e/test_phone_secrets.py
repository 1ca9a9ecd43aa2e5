"""The digits of a PIN are nowhere afterwards: one real call, and everything that is kept of it."""

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field

import pytest
from livekit import rtc

from local.stack import Stack
from tests.e2e.customer import public_text
from tests.e2e.handset import joined, minted_token
from tests.e2e.ledger import connect
from tests.e2e.telephone import (
    Telephone,
    a_number,
    phone_owner,
    ringing,
    set_pin,
    the_call,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS_LOGS = ("web", "jobs", "agent", "voice")  # livekit-server names participants, and so numbers
INBOX_WITHIN_S = 10
# Six digits of a clock are no PIN.
CLOCKS = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+|\d+\.\d+")
COLUMNS = """
select c.table_name, c.column_name, c.data_type
  from information_schema.columns c join information_schema.tables t
    using (table_schema, table_name)
 where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
   and c.data_type in ('text', 'character varying', 'json', 'jsonb', 'ARRAY', 'bytea')
"""


@dataclass(slots=True)
class Spectator:
    """What the agent tells a room, besides sound."""

    heard: list[str] = field(default_factory=list)

    def watch(self, room: rtc.Room) -> None:
        room.on("data_received", self._on_data)
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("participant_metadata_changed", lambda _who, _old, new: self.heard.append(new))

    def _on_data(self, packet: rtc.DataPacket) -> None:
        self.heard.append(f"{packet.topic} {packet.data.decode(errors='replace')}")

    def _on_attributes(self, changed: dict[str, str], who: rtc.Participant) -> None:
        if who.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            self.heard.append(str(changed))


def six_digits(first: int) -> str:
    """Not a row, and nobody else's in these logs."""
    return f"{first}{secrets.randbelow(10**4):04d}7"


def holds(text: str, secret: str) -> bool:
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", text) is not None


async def test_a_pin_is_in_no_log_row_metric_webhook_or_message(rough_stack: Stack) -> None:
    number, right, wrong = a_number(), six_digits(9), six_digits(8)
    owner = await phone_owner(rough_stack, number)
    await set_pin(owner, right)
    watching = Spectator()
    async with ringing(rough_stack, number) as phone:
        token = minted_token(rough_stack, phone.room_name, "spectator")
        async with joined(rough_stack.env["LIVEKIT_URL"], token) as spectator:
            watching.watch(spectator.room)
            await talk(phone, wrong=wrong, right=right)
            said = [*phone.line.agent_said, *spectator.agent_said]
    await the_call(owner)
    await inbox_has(rough_stack, phone.room_name)
    metrics = await public_text(rough_stack, "/metrics")
    assert "phone_pins_total" in metrics
    for secret in (right, wrong):
        assert not any(holds(text, secret) for text in [*said, *watching.heard])
        assert not holds(CLOCKS.sub("", metrics), secret)
        assert await tables_with(rough_stack, secret) == set()
        assert logs_with(rough_stack, secret) == set()
    assert logs_with(rough_stack, "dtmf") == set(), "nor key by key"
    assert logs_with(rough_stack, number) & {*OURS_LOGS} == set()
    assert await tables_with(rough_stack, number) == {"phone_numbers"}


async def talk(phone: Telephone, *, wrong: str, right: str) -> None:
    await phone.enter(f"{wrong}#")
    await phone.answer_with(f"{right}#")
    await phone.answered(timeout_s=60)
    await phone.press(right)  # by who believes that the call asks for it again
    await phone.hear("Sixteen, seventeen", to="count to twenty")


async def inbox_has(stack: Stack, room_name: str) -> None:
    """The webhooks about the end of this room have come."""
    connection = await connect(stack)
    deadline = time.monotonic() + INBOX_WITHIN_S
    query = (
        "select count(*) from webhook_inbox where kind = 'room_finished'"
        " and payload #>> '{room,name}' = $1"
    )
    try:
        while not await connection.fetchval(query, room_name):
            assert time.monotonic() < deadline, "no webhook told of the end"
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def tables_with(stack: Stack, secret: str) -> set[str]:
    """Tables with a text, a JSON value or bytes that hold it."""
    connection = await connect(stack)
    found = set()
    try:
        for table, column, kind in await connection.fetch(COLUMNS):
            text = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            rows = await connection.fetch(
                f"select {text} as words from {table} where strpos({text}, $1) > 0", secret
            )
            if any(holds(CLOCKS.sub("", row["words"]), secret) for row in rows):
                found.add(table)
    finally:
        await connection.close()
    return found


def logs_with(stack: Stack, secret: str) -> set[str]:
    """Names of processes that have written it, in whatever case."""
    return {
        path.stem
        for path in stack.layout.logs.glob("*.log")
        if holds(CLOCKS.sub("", path.read_text(errors="replace").lower()), secret)
    }
