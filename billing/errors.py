"""Errors that only billing raises. The tree is in `shared/errors.py`."""

from shared.errors import Conflict, Forbidden, InsufficientCredits, NotFound


class AccountFrozen(Forbidden):
    """This account is frozen"""

    code = "account_frozen"


class CallNotFound(NotFound):
    """Call not found"""

    code = "call_not_found"


class CallTaken(Conflict):
    """Another agent holds this call"""

    code = "call_taken"


class CallClosed(Conflict):
    """The call has ended"""

    code = "call_closed"


class SpendingCapReached(InsufficientCredits):
    """The spending cap you set for this month leaves too little"""

    code = "spending_cap_reached"
