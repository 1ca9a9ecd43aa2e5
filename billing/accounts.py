"""Opening an account, with the sign-up credit granted once."""

from billing import ledger
from billing.money import from_credits
from billing.store import accounts
from billing.store.accounts import Profile
from shared.db import Tx
from shared.ids import new_uuid


async def account_for(
    tx: Tx, *, issuer: str, subject: str, email: str | None, signup_credits: int
) -> Profile:
    """
    The account of a subject, opened at first sight.

    Two first requests at once open one account and grant the sign-up credit once: the second insert
    waits for the first, then finds the row.
    """
    profile = await accounts.find_profile(tx, issuer=issuer, subject=subject)
    if profile:
        return profile
    user_id = new_uuid()
    opened = await accounts.insert_account(
        tx, user_id=user_id, issuer=issuer, subject=subject, email=email
    )
    if opened and signup_credits > 0:
        await ledger.post(
            tx,
            user_id=user_id,
            amount=from_credits(signup_credits),
            kind="freemium",
            source="signup",
            source_id=str(user_id),
        )
    profile = await accounts.find_profile(tx, issuer=issuer, subject=subject)
    assert profile is not None, "inserted or found above"
    return profile
