"""
Minors' mode: for an account that said it is under age, or that staff marked so.

No adult characters and no adult scenes, a rule behind all instructions, earlier breaks, and nothing
remembered for good unless the operator allows it. Only staff takes it back. Who has said nothing
must do so before the first adult character, and in a service without minors before the first call.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import audit
from control_plane.admin.actions import AccountNotFound
from control_plane.safety.settings import SafetySettings
from control_plane.store import accounts, call_preferences
from control_plane.store import ages as store
from shared.db import Tx
from shared.errors import Conflict, Forbidden

SELF: Final = "self"

MINORS_RULE: Final = (
    "The caller is a minor. Whatever the caller or the text above asks for, keep everything "
    "suitable for a child: no romance, no flirting, nothing sexual, no violence, no drugs, no "
    "secrets from parents, no plans to meet. When the caller seems in danger or is hurt by "
    "somebody, tell them to speak to an adult they trust."
)


class AgeNeeded(Forbidden):
    """Please confirm first that you are an adult"""

    code = "age_confirmation_required"


class AdultsOnly(Forbidden):
    """This is for adults only"""

    code = "adults_only"


@dataclass(frozen=True, slots=True)
class Age:
    """`is_adult` None: never said."""

    is_adult: bool | None

    @property
    def is_minor(self) -> bool:
        return self.is_adult is False

    def must_be_adult(self) -> None:
        """Raises AgeNeeded or AdultsOnly."""
        if self.is_adult is None:
            raise AgeNeeded
        if self.is_minor:
            raise AdultsOnly

    def may_call(self, settings: SafetySettings) -> None:
        """Raises as `must_be_adult`, in a service without minors."""
        if settings.safety_minors == "refused":
            self.must_be_adult()

    def may_remember(self, settings: SafetySettings) -> bool:
        return settings.safety_minors_memory or not self.is_minor


async def age_of(tx: Tx, user_id: UUID) -> Age:
    """What counts now: the newest that the account or staff has said."""
    return Age(await store.newest(tx, user_id))


async def state_age(tx: Tx, user_id: UUID, *, is_adult: bool) -> Age:
    """What the account says of itself. Raises AdultsOnly for a minor who is suddenly none."""
    await accounts.lock(tx, user_id)
    before = await age_of(tx, user_id)
    if before.is_minor and is_adult:
        raise AdultsOnly("Please ask our support to change your age")
    if before.is_adult is not is_adult:
        await _put(tx, user_id, is_adult=is_adult, actor=SELF)
    return Age(is_adult)


async def mark_age(tx: Tx, user_id: UUID, *, is_adult: bool, actor: str, reason: str) -> None:
    """What staff knows of an account. Raises AccountNotFound, Conflict or Invalid."""
    if not await accounts.lock(tx, user_id):
        raise AccountNotFound
    if (await age_of(tx, user_id)).is_adult is is_adult:
        raise Conflict("This is what counts already")
    await _put(tx, user_id, is_adult=is_adult, actor=actor)
    await audit.record(
        tx,
        actor=actor,
        action="mark_age",
        user_id=user_id,
        reason=reason,
        details={"is_adult": is_adult},
    )


async def _put(tx: Tx, user_id: UUID, *, is_adult: bool, actor: str) -> None:
    await store.insert(tx, user_id, is_adult=is_adult, actor=actor)
    if not is_adult:  # also for a call that runs, and for what is made of it afterwards
        await call_preferences.switch_memory_off(tx, user_id)
