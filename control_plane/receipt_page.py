"""A receipt as a page to read and to print: no script, no inline style, nothing from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from billing.receipt_body import CALL, credits_text
from billing.store.receipts import Receipt

PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_GAP_WORDS: Final = {
    "caller_away": "You were not connected.",
    "media_lost": "The media connection was lost.",
    "provider_away": "The voice provider did not answer.",
    "agent_replaced": "Another agent took the call over.",
}
_OWNER_WORDS: Final = {
    "caller": "the caller",
    "operator": "us",
    "provider": "the voice provider",
    "network": "the network",
}
_SOURCE_WORDS: Final = {
    "agent": "reported in the call",
    "journal": "from the crash journal",
    "reaper": "from the clean-up",
}

Row = tuple[str, ...]


def receipt_page(receipt: Receipt, body: dict[str, Any]) -> str:
    """HTML of one receipt; `body` is what its text says."""
    title = f"Receipt {receipt.sequence}"
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="total">{credits_text(body["cost_microcredits"])} credits</p>',
        *(_call_parts(body) if receipt.kind == CALL else ()),
        "<h2>Ledger</h2>",
        _table(("Entry", "Kind", "Credits"), _ledger_rows(body["ledger"])),
        "<h2>Proof</h2>",
        _facts(_proof_facts(receipt, body)),
    ]
    newline = "\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        '<link rel="stylesheet" href="/assets/receipt.css">\n</head>\n'
        f"<body>\n<main>\n{newline.join(parts)}\n</main>\n</body>\n</html>\n"
    )


def _call_parts(body: dict[str, Any]) -> Iterator[str]:
    yield _facts(_call_facts(body))
    yield "<h2>Billed</h2>"
    yield _table(("From", "To", "Credits", "How we know"), _segment_rows(body["segments"]))
    yield f'<p class="formula">{escape(body["formula"])}</p>'
    yield "<h2>Free</h2>"
    yield _table(("At", "Lasted", "Why"), _free_rows(body["free"]))


def _call_facts(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Call", body["call_id"]
    yield "Asked for", _moment(body["authorized_at"])
    yield "Answered", _moment(body["answered_at"])
    yield "Clock began", _moment(body["started_at"])
    yield "Ended", _moment(body["ended_at"])
    owner = _OWNER_WORDS.get(body["fault_owner"], body["fault_owner"])
    yield "Why it ended", f"{body['end_words']} (Cause: {owner}.)"
    yield "Billed time", _clock(body["billed_seconds"])
    price = credits_text(body["price_microcredits_per_minute"])
    yield "Price", f"{price} credits a minute (price list {body['rate_card_version']})"
    if body["free_call"]:
        yield "Allowance", "This call counted towards the free allowance."


def _segment_rows(segments: list[list[Any]]) -> list[Row]:
    """Neighbours known in the same way become one line: an hour has 360 segments."""
    merged: list[list[Any]] = []
    for start, end, cost, source in segments:
        if merged and merged[-1][3] == source and merged[-1][1] == start:
            merged[-1][1] = end
            merged[-1][2] += cost
        else:
            merged.append([start, end, cost, source])
    return [
        (_clock(start), _clock(end), credits_text(cost), _SOURCE_WORDS.get(source, source))
        for start, end, cost, source in merged
    ]


def _free_rows(free: dict[str, Any]) -> Iterator[Row]:
    yield "before 0:00", _lasted(free["waiting_ms"]), "Waiting until the agent could be heard."
    for gap in free["gaps"]:
        words = _GAP_WORDS.get(gap["cause"], gap["cause"])
        yield _clock(gap["at_s"]), _lasted(gap["lasted_ms"]), words


def _ledger_rows(entries: list[dict[str, Any]]) -> Iterator[Row]:
    for entry in entries:
        yield str(entry["id"]), entry["kind"], credits_text(entry["amount_microcredits"])


def _proof_facts(receipt: Receipt, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Receipt", str(receipt.id)
    yield "Account", str(receipt.user_id)
    yield "Issued", _moment(body["issued_at"])
    yield "Hash", receipt.hash
    yield "Hash before", receipt.previous_hash
    yield "Key", receipt.key_id or "none"
    yield "Signature", receipt.signature or "Not signed yet: the service has no signing key."


def _facts(facts: Iterator[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<dl>{rows}</dl>"


def _table(names: Row, rows: Sequence[Row] | Iterator[Row]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _clock(seconds: int) -> str:
    """1:02:03, or 2:03 within the first hour."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _lasted(milliseconds: int) -> str:
    return f"{milliseconds // 1_000}.{milliseconds % 1_000:03d} s"


def _moment(text: str) -> str:
    """2026-11-21T09:00:00.123456Z as people write it."""
    return f"{text[:10]} {text[11:23]} UTC"
