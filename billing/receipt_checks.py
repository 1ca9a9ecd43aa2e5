"""
What must hold inside a receipt: its form, times and arithmetic. Pure; each fault in words.

A signature proves who wrote a receipt; these checks prove that what was written is right.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from billing.pricing import call_cost
from billing.receipt_body import CALL, GENESIS_HASH, TIME_FORMAT, VERSION, time_text, whole_ms

# A report may round the second that was begun up, and clocks of two machines differ a little: the
# database believes no report beyond this (plausible_seconds in the migrations).
EXTRA_SECONDS_MAX: Final = 2

Body = dict[str, Any]

_ENVELOPE: Final = {
    "version": int,
    "kind": str,
    "receipt_id": str,
    "account_id": str,
    "sequence": int,
    "previous_hash": str,
    "issued_at": str,
    "cost_microcredits": int,
    "ledger": [{"id": int, "kind": str, "amount_microcredits": int}],
}
_CALL: Final = {
    "call_id": str,
    "authorized_at": str,
    "answered_at": str,
    "started_at": str,
    "ended_at": str,
    "end_reason": str,
    "fault_owner": str,
    "end_words": str,
    "free_call": bool,
    "billed_seconds": int,
    "price_microcredits_per_minute": int,
    "rate_card_version": int,
    "formula": str,
    "segments": [(int, int, int, str)],
    "free": {"waiting_ms": int, "gaps": [{"at_s": int, "lasted_ms": int, "cause": str}]},
}
_CALL_TIMES: Final = ("authorized_at", "answered_at", "started_at", "ended_at", "issued_at")
_TYPE_WORDS: Final = {str: "a string", int: "a whole number", bool: "true or false"}


def content_problems(body: object) -> list[str]:
    """Everything wrong with the body of a receipt; empty when it is right."""
    if not isinstance(body, dict):
        return ["its body is not an object"]
    if body.get("version") != VERSION:
        return [f"this program knows version {VERSION} of receipts only"]
    if body.get("kind") != CALL:
        return ["it is of a kind whose arithmetic this program does not know"]
    malformed = list(_mismatches(body, _ENVELOPE | _CALL, ""))
    if malformed:
        return malformed
    return [
        *_chain_problems(body),
        *_time_problems(body),
        *_cost_problems(body),
        *_segment_problems(body),
        *_free_problems(body),
        *_ledger_problems(body),
    ]


def _mismatches(value: object, form: Any, place: str) -> Iterator[str]:
    """Where `value` is not of `form`: a type, [form], (form, ...) or {name: form}."""
    named = place or "the body"
    if isinstance(form, type):
        if type(value) is not form:  # True is an int to isinstance
            yield f"{named} is not {_TYPE_WORDS[form]}"
    elif isinstance(form, dict):
        if not isinstance(value, dict):
            yield f"{named} is not an object"
            return
        yield from (f"{place}{name} is missing" for name in form if name not in value)
        yield from (f"{place}{name} does not belong there" for name in value if name not in form)
        for name in form.keys() & value.keys():
            yield from _mismatches(value[name], form[name], f"{place}{name}")
    elif not isinstance(value, list) or (isinstance(form, tuple) and len(value) != len(form)):
        yield f"{named} is not a list of the right length"
    else:
        forms = form * len(value) if isinstance(form, list) else form
        for index, (item, of) in enumerate(zip(value, forms, strict=True)):
            yield from _mismatches(item, of, f"{place}[{index}]")


def _chain_problems(body: Body) -> Iterator[str]:
    if body["sequence"] < 1:
        yield "its number in the account is less than 1"
    is_first = body["sequence"] == 1
    if is_first != (body["previous_hash"] == GENESIS_HASH):
        yield "only the first receipt of an account has no previous one"


def _time_problems(body: Body) -> Iterator[str]:
    times = {name: _time(body[name]) for name in _CALL_TIMES}
    wrong = [name for name, time in times.items() if time is None]
    if wrong:
        yield from (f"{name} is not a time in UTC with microseconds" for name in wrong)
        return
    known = {name: time for name, time in times.items() if time}
    for earlier, later in pairwise(_CALL_TIMES):
        if known[earlier] > known[later]:
            yield f"{later} is before {earlier}"
    waited_ms = whole_ms(known["authorized_at"], known["started_at"])
    if body["free"]["waiting_ms"] != waited_ms:
        yield f"waiting_ms is not the {waited_ms} ms from authorized_at to started_at"
    lasted_s = -((known["started_at"] - known["ended_at"]) // timedelta(seconds=1))
    if body["billed_seconds"] > lasted_s + EXTRA_SECONDS_MAX:
        yield f"billed {body['billed_seconds']} s of a call that lasted {lasted_s} s"


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if time_text(moment) == text else None


def _cost_problems(body: Body) -> Iterator[str]:
    seconds, price = body["billed_seconds"], body["price_microcredits_per_minute"]
    if seconds < 1 or price < 1:
        yield "billed seconds and price are not both above 0"
        return
    cost = call_cost(price, seconds)
    if body["cost_microcredits"] != cost:
        yield (
            f"the cost is {body['cost_microcredits']}, "
            f"but {seconds} s at {price} a minute cost {cost} micro-credits"
        )


def _segment_problems(body: Body) -> Iterator[str]:
    price, reached = body["price_microcredits_per_minute"], 0
    for index, (start, end, cost, _source) in enumerate(body["segments"]):
        if start != reached:
            yield f"segment {index} begins at {start} s, the one before ended at {reached} s"
        if end <= start:
            yield f"segment {index} ends where it begins, or before"
        elif cost != call_cost(price, end) - call_cost(price, start):
            yield f"segment {index} ({start} s to {end} s) has the wrong cost {cost}"
        reached = end
    if reached != body["billed_seconds"]:
        yield f"the segments reach {reached} s, billed are {body['billed_seconds']} s"
    total = sum(segment[2] for segment in body["segments"])
    if total != body["cost_microcredits"]:
        yield f"the segments cost {total} together, the call {body['cost_microcredits']}"


def _free_problems(body: Body) -> Iterator[str]:
    for index, gap in enumerate(body["free"]["gaps"]):
        if gap["at_s"] < 0 or gap["lasted_ms"] < 0:
            yield f"gap {index} has a time below 0"


def _ledger_problems(body: Body) -> Iterator[str]:
    debits = [entry["amount_microcredits"] for entry in body["ledger"] if entry["kind"] == CALL]
    if len(debits) != 1:
        yield f"the ledger has {len(debits)} debits for the call instead of one"
    elif debits[0] != -body["cost_microcredits"]:
        yield f"the ledger was debited {-debits[0]}, the call cost {body['cost_microcredits']}"
