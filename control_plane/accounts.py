"""Which account a session belongs to. Opens the account at first sight."""

from collections import OrderedDict

from billing.accounts import account_for
from control_plane.auth import Identity
from control_plane.store import mails
from shared.clock import Clock
from shared.db import Pool, transaction
from shared.ids import UserId

ACCOUNTS_MAX = 10_000  # remembered sessions; a few MB, and more people than one process serves
REMEMBER_S = 60.0  # an id never changes; this bounds how long a deleted account is still answered


class AccountDirectory:
    """
    (issuer, subject) to account id, remembered for a minute.

    Only the id is remembered: whether the account is frozen is read where it matters. The address
    that mail goes to follows what the issuer has verified.
    """

    def __init__(self, pool: Pool, clock: Clock, *, signup_credits: int) -> None:
        self._pool = pool
        self._clock = clock
        self._signup_credits = signup_credits
        self._known: OrderedDict[tuple[str, str], tuple[UserId, float]] = OrderedDict()

    async def user_id_of(self, identity: Identity) -> UserId:
        """The account; a new one is committed at once, whatever becomes of the request."""
        key = (identity.issuer, identity.subject)
        known = self._known.get(key)
        if known and self._clock.monotonic() < known[1]:
            self._known.move_to_end(key)
            return known[0]
        async with transaction(self._pool) as tx:
            profile = await account_for(
                tx,
                issuer=identity.issuer,
                subject=identity.subject,
                email=identity.email,
                signup_credits=self._signup_credits,
            )
            if identity.mail_address is not None:
                await mails.remember_address(tx, profile.id, identity.mail_address)
        user_id = UserId(profile.id)
        self._remember(key, user_id)
        return user_id

    def _remember(self, key: tuple[str, str], user_id: UserId) -> None:
        self._known[key] = (user_id, self._clock.monotonic() + REMEMBER_S)
        self._known.move_to_end(key)
        if len(self._known) > ACCOUNTS_MAX:
            self._known.popitem(last=False)
