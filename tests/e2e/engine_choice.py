"""
Calls on the engine of one's choice.

A client chooses among upstream's models only; the calls of a test get theirs from their first
words, by a trigger that is there for as long as the block.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.stack import Stack
from tests.e2e.ledger import connect

MODELS = ("local-voice", "pipeline")

_CHOOSE = """
create or replace function choose_model() returns trigger language plpgsql as $$
begin new.model := 'pipeline'; return new; end $$;
create trigger choose_model before insert on call_configs for each row
  when (new.instructions like 'You are a pipeline.%') execute function choose_model();
"""
_UNDO = "drop trigger choose_model on call_configs; drop function choose_model()"


def instructions_of(model: str) -> str:
    """Those of a call that is to have this model."""
    return f"You are a {model}. Be brief."


@asynccontextmanager
async def choosing_models(stack: Stack) -> AsyncIterator[None]:
    connection = await connect(stack)
    await connection.execute(_CHOOSE)
    try:
        yield
    finally:
        await connection.execute(_UNDO)
        await connection.close()
