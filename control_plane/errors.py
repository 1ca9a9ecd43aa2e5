"""Refusals that only the control plane raises. The tree is in `shared/errors.py`."""

from uuid import UUID

from shared.errors import ActiveCall, AppError, Forbidden, Invalid, NotFound


class BodyTooLarge(Invalid):
    """Request body too large"""

    code = "body_too_large"


class BodyTooSlow(Invalid):
    """Request body came too slowly"""

    code = "body_too_slow"


class PaidOnly(Forbidden):
    """This needs a paid account"""

    code = "paid_only"


class UnknownWorker(Forbidden):
    """This worker has not reported yet"""

    code = "unknown_worker"


class VoiceNotFound(NotFound):
    """Voice not found"""

    code = "voice_not_found"


class CharacterNotFound(NotFound):
    """Character not found"""

    code = "character_not_found"


class CallInProgress(ActiveCall):
    """You already have an active call"""

    def __init__(self, call_id: UUID) -> None:
        super().__init__()
        self.call_id = call_id


class FreeGenerationsUsed(Forbidden):
    """Free accounts have a limited number of generations with this voice. Please upgrade."""

    code = "gpro_limit_exceeded"


class Throttled(AppError):
    """Too many requests"""

    code = "throttled"
    retryable = True

    def __init__(self, message: str | None = None, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
