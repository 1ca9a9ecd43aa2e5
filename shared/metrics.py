"""Every metric we expose: name, unit, labels. No label ever names a person or a call."""

from prometheus_client import Counter, Gauge, Histogram

CALL_TOKENS = Counter("call_tokens_total", "Call tokens asked for, by outcome", ["outcome"])
PHONE_PINS = Counter("phone_pins_total", "PINs entered by phone, by outcome", ["outcome"])
CALLS_ENDED = Counter("calls_ended_total", "Calls closed, by end reason", ["end_reason"])
CALLS_REDISPATCHED = Counter("calls_redispatched_total", "Calls whose agent was asked for again")
SETTLED_SECONDS = Counter("call_seconds_settled_total", "Billed seconds of calls")
REPORTS_REFUSED = Counter(
    "call_reports_refused_total", "Reports that changed nothing", ["standing"]
)
WEBHOOKS = Counter("webhooks_total", "Webhooks received", ["source", "outcome"])
STRIPE_EVENTS = Counter("stripe_events_total", "Events of Stripe's worked on", ["outcome"])
MAILS = Counter("mails_total", "Mails to people, by what became of them", ["kind", "outcome"])
RATE_LIMITED = Counter(
    "rate_limit_decisions_total",
    "Requests let through or refused, by bucket",
    ["bucket", "granted", "decided_by"],
)
LIMITS_REDIS_GONE = Gauge(
    "limits_redis_gone", "1 while limits count for this process alone", ["user"]
)
SEATS_REFUSED = Counter("seats_refused_total", "Work refused for other work in flight", ["kind"])
IDEMPOTENT_REQUESTS = Counter(
    "idempotent_requests_total", "Requests with an idempotency key, by what was done", ["outcome"]
)
GENERATIONS = Counter(
    "generations_total", "Orders for speech that ended: sold, cached, or why not", ["outcome"]
)
CALL_EVENTS = Counter(
    "call_events_total",
    "What happened in calls besides the talk: disclosed, crisis, ..., by language",
    ["kind", "language"],
)
REPORTS_FILED = Counter("reports_filed_total", "Reports for the review queue", ["category"])
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
DEAD_LETTERS = Gauge("stripe_dead_letters", "Events of Stripe's that were given up")
STRIPE_EVENT_WAITS_S = Gauge(
    "stripe_event_waits_seconds", "Age of the oldest event of Stripe's that is not worked on"
)
MAIL_WAITS_S = Gauge(
    "mail_waits_seconds", "Age of the oldest mail that was tried and did not leave"
)
PAYMENT_WAITS_S = Gauge(
    "payment_waits_seconds", "Age of the oldest automatic payment whose end is not known"
)
OPEN_CALLS = Gauge("open_calls", "Calls authorized or active")
AGENT_SLOTS = Gauge("agent_slots", "Calls the live workers can hold")

SPEECH_ATTEMPTS = Counter(
    "speech_provider_attempts_total",
    "Attempts to have speech made, by provider and outcome (done, a refusal's code, cancelled)",
    ["provider", "outcome"],
)
SPEECH_ATTEMPT_S = Histogram(
    "speech_provider_seconds",
    "Time of an attempt: to the whole answer, or to the first byte of a stream, in seconds",
    ["provider", "kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160),
)
SPEECH_JOBS_ENDED = Counter("speech_jobs_ended_total", "Long texts that ended, by how", ["outcome"])
RECORDINGS = Counter(
    "recordings_total", "Recordings of calls: kept, repeated, or withdrawn", ["outcome"]
)
AFTER_CALLS = Counter(
    "after_calls_total", "Calls worked on after their end, by how that ended", ["outcome"]
)
