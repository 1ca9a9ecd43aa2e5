"""
python -m local key: an API key of an account with credit, as any OpenAI client wants to be told.

    export $(python -m local key)

The account is opened, and given credit by the stack's own ledger as if it had paid: one machine has
no till.
"""

import argparse
from uuid import UUID

from billing import ledger
from billing.money import from_credits
from local.api_client import ApiClient, ApiRefused
from local.failure import CannotRun
from local.layout import Layout
from local.options import data_dir
from local.stack_file import read_stack_file
from shared.db import open_pool, transaction
from shared.ids import new_uuid
from shared.settings import PostgresSettings

CREDITS = 100_000
CREDITS_MAX = 100_000_000
EMAIL = "developer@example.com"


def _credits(word: str) -> int:
    amount = int(word)
    if not 0 < amount <= CREDITS_MAX:
        raise argparse.ArgumentTypeError(f"must be from 1 to {CREDITS_MAX:,}")
    return amount


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--email", default=EMAIL, help=f"whose ({EMAIL})")
    parser.add_argument(
        "--credits", type=_credits, default=CREDITS, help=f"to give the account ({CREDITS:,})"
    )


async def run(options: argparse.Namespace) -> int:
    environment = read_stack_file(Layout.of(data_dir())).environment
    url = environment["CONTROL_PLANE_URL"]
    async with ApiClient(url) as client:
        try:
            await client.sign_in(options.email)
            await _give_credit(environment["DATABASE_URL"], client.user_id, options.credits)
            made = await client.request("POST", "/api/api-keys", {"name": "python -m local key"})
        except ApiRefused as refused:
            raise CannotRun(f"No key: {refused}") from None
    print(f"OPENAI_BASE_URL={url}/v1\nOPENAI_API_KEY={made['key']}")
    return 0


async def _give_credit(dsn: str, user_id: str, credits_given: int) -> None:
    settings = PostgresSettings.model_validate({"database_url": dsn})
    pool = await open_pool(settings, application_name="local key")
    try:
        async with transaction(pool) as tx:
            await ledger.post(
                tx,
                user_id=UUID(user_id),
                amount=from_credits(credits_given),
                kind="topup",
                source="local",
                source_id=str(new_uuid()),
                reason="python -m local key",
            )
    finally:
        await pool.close()
