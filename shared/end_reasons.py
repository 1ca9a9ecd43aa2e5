"""
Why a call ended, and whose doing it was.

The owner decides what the caller is told and whether the operator owes something: seconds lost to
`operator`, `provider` or `network` are never billed. `journal_code` is the byte the crash journal
stores, so it must never be reused for another meaning.
"""

from dataclasses import dataclass
from enum import StrEnum


class FaultOwner(StrEnum):
    CALLER = "caller"
    OPERATOR = "operator"
    PROVIDER = "provider"
    NETWORK = "network"


class EndReason(StrEnum):
    CALLER_HANGUP = "caller_hangup"
    CALLER_SILENT = "caller_silent"
    CALLER_NEVER_JOINED = "caller_never_joined"
    CALLER_LOST = "caller_lost"
    CREDIT_EXHAUSTED = "credit_exhausted"
    DURATION_LIMIT = "duration_limit"
    AGENT_GOODBYE = "agent_goodbye"
    SUPERSEDED = "superseded"
    AGENT_LOST = "agent_lost"
    AGENT_NEVER_JOINED = "agent_never_joined"
    AGENT_ERROR = "agent_error"
    AGENT_FENCED = "agent_fenced"
    WORKER_SHUTDOWN = "worker_shutdown"
    OPERATOR_ENDED = "operator_ended"
    PROVIDER_ERROR = "provider_error"
    MEDIA_LOST = "media_lost"
    EVIDENCE_UNKNOWN = "evidence_unknown"
    MONTHLY_CAP = "monthly_cap"


@dataclass(frozen=True, slots=True)
class Ending:
    """One row of the table: who is at fault, the journal's byte, and the words for the caller."""

    owner: FaultOwner
    journal_code: int
    words: str


ENDINGS: dict[EndReason, Ending] = {
    EndReason.CALLER_HANGUP: Ending(FaultOwner.CALLER, 1, "You ended the call."),
    EndReason.CALLER_SILENT: Ending(FaultOwner.CALLER, 2, "The line was silent for too long."),
    EndReason.CALLER_NEVER_JOINED: Ending(FaultOwner.CALLER, 3, "The call was never joined."),
    EndReason.CALLER_LOST: Ending(FaultOwner.NETWORK, 4, "Your connection was lost."),
    EndReason.CREDIT_EXHAUSTED: Ending(
        FaultOwner.CALLER, 5, "The credit for this call is used up."
    ),
    EndReason.DURATION_LIMIT: Ending(FaultOwner.CALLER, 6, "The longest call time was reached."),
    EndReason.AGENT_GOODBYE: Ending(FaultOwner.CALLER, 7, "The character said goodbye."),
    EndReason.SUPERSEDED: Ending(FaultOwner.CALLER, 8, "A newer call took the place of this one."),
    EndReason.AGENT_LOST: Ending(FaultOwner.OPERATOR, 9, "The agent was lost. Sorry."),
    EndReason.AGENT_NEVER_JOINED: Ending(FaultOwner.OPERATOR, 10, "No agent came. Sorry."),
    EndReason.AGENT_ERROR: Ending(FaultOwner.OPERATOR, 11, "The agent failed. Sorry."),
    EndReason.AGENT_FENCED: Ending(FaultOwner.OPERATOR, 12, "Another agent took the call over."),
    EndReason.WORKER_SHUTDOWN: Ending(FaultOwner.OPERATOR, 13, "The service was restarted. Sorry."),
    EndReason.OPERATOR_ENDED: Ending(FaultOwner.OPERATOR, 14, "The operator ended the call."),
    EndReason.PROVIDER_ERROR: Ending(FaultOwner.PROVIDER, 15, "The voice provider failed. Sorry."),
    EndReason.MEDIA_LOST: Ending(FaultOwner.NETWORK, 16, "The media connection was lost. Sorry."),
    EndReason.EVIDENCE_UNKNOWN: Ending(
        FaultOwner.OPERATOR, 17, "The call was closed without evidence of its end, in your favour."
    ),
    EndReason.MONTHLY_CAP: Ending(
        FaultOwner.CALLER, 18, "You have reached the limit you set for this month."
    ),
}

REASON_BY_JOURNAL_CODE = {ending.journal_code: reason for reason, ending in ENDINGS.items()}
