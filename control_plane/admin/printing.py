"""What `python -m control_plane.admin` prints: one fact a line, tables without frames."""

from collections.abc import Iterator, Sequence

from billing.money import to_credits
from billing.store.audit import Entry
from billing.store.lots import Lot
from control_plane.store.call_history import PastCall
from control_plane.store.operator_accounts import AccountFacts, LedgerRow, PaymentRow
from control_plane.store.reports import Report
from control_plane.store.stripe_inbox import DeadEvent


def account_lines(found: AccountFacts) -> Iterator[str]:
    """An account and its balance, in credits."""
    yield f"account    {found.id}"
    yield f"e-mail     {found.mail_address or '-'} (verified), {found.email or '-'} (displayed)"
    yield f"since      {found.created_at:%Y-%m-%d %H:%M}"
    yield f"frozen     {f'since {found.frozen_at:%Y-%m-%d %H:%M}' if found.frozen_at else 'no'}"
    yield f"balance    {_credits(found.balance)}, of which {_credits(found.reserved)} are held"
    yield f"debt       {_credits(found.debt)}"
    yield f"has paid   {'yes' if found.paid else 'no'}"
    yield f"calls now  {found.open_calls}"


def lot_lines(lots: Sequence[Lot]) -> Iterator[str]:
    for lot in lots:
        end = f"until {lot.expires_at:%Y-%m-%d %H:%M}" if lot.expires_at else "for good"
        yield f"  {_credits(lot.remaining):>16} of {_credits(lot.amount)}  {lot.kind}  {end}"


def ledger_lines(rows: Sequence[LedgerRow]) -> Iterator[str]:
    for row in rows:
        why = f"  {row.actor}: {row.reason}" if row.reason else ""
        yield (
            f"  {row.created_at:%Y-%m-%d %H:%M}  {_credits(row.amount):>16}  {row.kind}"
            f"  {row.source}:{row.source_id}{why}"
        )


def call_lines(calls: Sequence[PastCall]) -> Iterator[str]:
    for call in calls:
        yield (
            f"  {call.authorized_at:%Y-%m-%d %H:%M}  {call.seconds:>6} s"
            f"  {_credits(call.cost):>12}  {call.end_reason or call.state}  {call.id}"
        )


def payment_lines(rows: Sequence[PaymentRow]) -> Iterator[str]:
    for row in rows:
        back = f"  refunded {row.refunded}" if row.refunded else ""
        back += f"  disputed {row.disputed} ({row.dispute_status})" if row.disputed else ""
        yield (
            f"  {row.charged_at:%Y-%m-%d %H:%M}  {row.amount} {row.currency}"
            f"  {_credits(row.posted):>12}  {row.charge_id}{back}"
        )


def audit_lines(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        yield (
            f"  {entry.created_at:%Y-%m-%d %H:%M}  #{entry.sequence}  {entry.action}"
            f"  {entry.actor}: {entry.reason}"
        )


def dead_letter_lines(found: Sequence[DeadEvent]) -> Iterator[str]:
    for one in found:
        yield (
            f"  {one.dead_at:%Y-%m-%d %H:%M}  {one.event_id}  {one.kind}"
            f"  {one.object_type} {one.object_id}  {one.attempts} attempts: {one.last_error}"
        )


def report_lines(found: Sequence[Report]) -> Iterator[str]:
    """Words of strangers: what a terminal would act on is written as an escape."""
    for one in found:
        yield f"  {one.created_at:%Y-%m-%d %H:%M}  {one.id}  {one.category}"
        yield f"    by {one.user_id}"
        yield f"    call {one.call_id or '-'}, character {one.character_id or '-'}"
        if one.words:
            yield f"    {_harmless(one.words)}"
        if one.resolved_at:
            yield f"    {one.resolved_at:%Y-%m-%d %H:%M}  {one.resolved_by}: {one.resolution}"


def _harmless(words: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in words)


def _credits(amount: int) -> str:
    return f"{to_credits(amount):,}"
