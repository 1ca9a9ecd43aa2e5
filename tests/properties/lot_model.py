"""Lots as forty lines of Python: what the database must agree with after every step."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.properties.test_charging_machine import Account, Call

DAYS = 9  # a lot may end after day 1 to 8; day 9 is never
_PRIORITY = {"free": 10, "promotional": 20, "subscription": 30, "purchased": 40}
_GONE, _AHEAD = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class Lot:
    kind: str
    remaining: int
    ends: int  # after this day
    origin: str | None = None
    expired: int = 0


@dataclass
class LotAccount(Account):
    lots: list[Lot] = field(default_factory=list)
    today: int = 0
    spent: int = 0
    cap: int | None = None

    @property
    def spendable(self) -> int:
        if self.cap is None:
            return self.free
        return max(0, min(self.balance, self.cap - self.spent) - self.reserved)

    def in_burn_order(self) -> list[Lot]:
        place = {id(lot): at for at, lot in enumerate(self.lots)}
        return sorted(self.lots, key=lambda lot: (lot.ends, _PRIORITY[lot.kind], place[id(lot)]))

    def burn(self, amount: int, origin: str | None = None) -> None:
        mine = [lot for lot in self.in_burn_order() if origin and lot.origin == origin]
        for lot in [*mine, *self.in_burn_order()]:
            taken = min(amount, lot.remaining)
            lot.remaining -= taken
            amount -= taken
        assert amount == 0, "the lots are the balance"

    def refresh(self) -> None:
        """Expire what is due and beyond what is held; holds lie on what is burnt first."""
        held = self.reserved
        for lot in self.in_burn_order():
            if lot.ends > self.today:
                break
            gone = max(lot.remaining - held, 0)
            held -= lot.remaining - gone
            lot.remaining -= gone
            lot.expired += gone
            self.balance -= gone

    def post(self, amount: int) -> None:
        self.post_lot(amount, "purchased", DAYS)

    def post_lot(self, amount: int, kind: str, ends: int, origin: str | None = None) -> None:
        before = self.balance
        if amount < 0 and origin:
            amount += self.unexpire(-amount, origin)
        super().post(amount)
        if self.balance > before:
            self.lots.append(Lot(kind, self.balance - before, ends, origin))
        elif self.balance < before:
            self.burn(before - self.balance, origin)

    def unexpire(self, amount: int, origin: str) -> int:
        """What expired of a payment is not taken back a second time."""
        left = amount
        for lot in self.lots:
            if lot.origin == origin:
                back = min(left, lot.expired)
                lot.expired -= back
                left -= back
        return amount - left

    def restore(self, amount: int, origin: str) -> None:
        """What comes back is as what it was taken from."""
        old = next((lot for lot in reversed(self.lots) if lot.origin == origin), None)
        self.post_lot(amount, old.kind if old else "purchased", old.ends if old else DAYS, origin)

    def debit(self, before: int) -> None:
        """The balance fell by the cost of finished work."""
        self.burn(before - self.balance)
        self.spent += before - self.balance
        self.refresh()

    def close(self, call: Call, upto: int) -> None:
        before = self.balance
        super().close(call, upto)
        self.debit(before)

    def roll_over(self, amount_max: int, ends: int) -> int:
        kept = 0
        for lot in self.in_burn_order():
            if lot.kind == "subscription" and self.today < lot.ends < ends:
                moved = min(lot.remaining, amount_max - kept)
                if moved > 0:
                    lot.remaining -= moved
                    kept += moved
                    self.lots.append(Lot(lot.kind, moved, ends, lot.origin))
        return kept


def ending(ends: int, *, today: int) -> datetime | None:
    """The moment for the database, whose clock cannot be moved: passed days lie in the past."""
    if ends == DAYS:
        return None
    return (_GONE if ends <= today else _AHEAD) + timedelta(days=ends)
