"""Every metric we expose: name, unit, labels. No label ever names a person or a call."""

from prometheus_client import Counter, Gauge, Histogram

CALL_TOKENS = Counter("call_tokens_total", "Call tokens asked for, by outcome", ["outcome"])
CALLS_ENDED = Counter("calls_ended_total", "Calls closed, by end reason", ["end_reason"])
CALLS_REDISPATCHED = Counter("calls_redispatched_total", "Calls whose agent was asked for again")
SETTLED_SECONDS = Counter("call_seconds_settled_total", "Billed seconds of calls")
REPORTS_REFUSED = Counter(
    "call_reports_refused_total", "Reports that changed nothing", ["standing"]
)
WEBHOOKS = Counter("webhooks_total", "Webhooks received", ["source", "outcome"])
REQUEST_S = Histogram("http_request_seconds", "Time to answer, in seconds", ["route", "status"])

LEDGER_DRIFT = Gauge(
    "ledger_drift", "Violations at the last check of the books; must be 0", ["scope"]
)
BOOKS_CHECKED = Gauge(
    "books_checked_timestamp_seconds", "When the books were last checked", ["scope"]
)
OPEN_HOLDS = Gauge("open_holds", "Holds of open calls, by age", ["age"])
UNSETTLED_S = Gauge("unsettled_call_seconds", "Seconds talked and not yet settled, at most")
LATE_SETTLES = Gauge("late_settles", "Active calls whose report is overdue")
OPEN_CALLS = Gauge("open_calls", "Calls authorized or active")
AGENT_SLOTS = Gauge("agent_slots", "Calls the live workers can hold")
