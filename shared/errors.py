"""
Errors of the domain. They know no HTTP; `control_plane/http_errors.py` maps a code to a status.

AppError
├── Refused               the request is understood and will not be done; retrying is pointless
│   ├── Unauthenticated
│   ├── Forbidden
│   ├── NotFound
│   ├── Invalid
│   ├── InsufficientCredits
│   ├── FreeLimitReached
│   └── Conflict
│       ├── ActiveCall
│       └── Fenced        another worker owns the call now
└── Unavailable           our side cannot do it now; retry after `retry_after_s`
    └── NoCapacity
"""


class AppError(Exception):
    """Root of all errors we raise on purpose: a stable `code`, and a message safe to show."""

    code = "internal_error"
    retryable = False
    param: str | None = None  # the field of the request that is wrong, where one is

    def __init__(self, message: str | None = None, *, param: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        if param is not None:
            self.param = param
        super().__init__(self.message)


class Refused(AppError):
    """The request was refused"""

    code = "refused"


class Unauthenticated(Refused):
    """User not found"""

    code = "unauthenticated"


class Forbidden(Refused):
    """Not allowed"""

    code = "forbidden"


class NotFound(Refused):
    """Not found"""

    code = "not_found"


class Invalid(Refused):
    """Invalid request"""

    code = "invalid_request"

    def __init__(
        self, message: str | None = None, *, details: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, param=param)
        self.details = details


class InsufficientCredits(Refused):
    """Insufficient credits"""

    code = "insufficient_credits"


class FreeLimitReached(Refused):
    """Free users are limited to 5 minutes of calls. Please upgrade to continue."""

    code = "free_limit_reached"


class Conflict(Refused):
    """The request conflicts with the present state"""

    code = "conflict"


class ActiveCall(Conflict):
    """You already have an active call"""

    code = "active_call"


class Fenced(Conflict):
    """Another worker owns this call"""

    code = "fenced"


class Unavailable(AppError):
    """Temporarily unavailable"""

    code = "unavailable"
    retryable = True

    def __init__(self, message: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoCapacity(Unavailable):
    """All agents are busy, please try again in a moment"""

    code = "no_capacity"
