"""Refusals about jobs. The tree is in `shared/errors.py`."""

from control_plane.errors import Throttled
from shared.errors import AppError, Conflict, NotFound

TOO_MANY_RETRY_S = 10  # a job takes from seconds to minutes


class JobNotFound(NotFound):
    """Job not found"""

    code = "job_not_found"
    param = "id"


class JobEnded(Conflict):
    """This job has ended already"""

    code = "job_ended"


class TooManyJobs(Throttled):
    """Too many jobs are waiting or running, please wait until one has ended"""

    code = "too_many_jobs"

    def __init__(self) -> None:
        super().__init__(retry_after_s=TOO_MANY_RETRY_S)


class TooManyListeners(Throttled):
    """Too many progress streams are open, please ask for the job instead"""

    code = "too_many_streams"

    def __init__(self) -> None:
        super().__init__(retry_after_s=TOO_MANY_RETRY_S)


class JobExpired(AppError):
    """The job was not finished in time"""

    code = "job_expired"


class JobAbandoned(AppError):
    """The job was given up after several attempts"""

    code = "job_abandoned"


class LeaseLost(Exception):
    """Another worker has the job, or it was cancelled: stop, and change nothing."""
