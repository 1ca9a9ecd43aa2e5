"""The journal slots of one cell, handed out to its calls; several threads ask."""

import threading
from dataclasses import dataclass
from uuid import UUID

from agent.journal import Answer, Journal, SlotState, Watermark
from shared.call_protocol import CallConfig
from shared.end_reasons import ENDINGS, EndReason

_NO_CALL = UUID(int=0)


@dataclass(slots=True)
class Slot:
    """One call's place in the journal. Bound to a call by `begin`."""

    journal: Journal
    index: int
    generation: int
    call_id: UUID = _NO_CALL
    epoch: int = 0

    def begin(self, config: CallConfig) -> None:
        """From now on the call is ours to close, whatever becomes of us."""
        self.call_id, self.epoch = config.call_id, config.epoch
        self.write(SlotState.WAITING, config.seconds)

    def write(self, state: SlotState, seconds: int, reason: EndReason | None = None) -> None:
        self.journal.write_watermark(
            self.index,
            Watermark(
                call_id=self.call_id,
                epoch=self.epoch,
                seconds=seconds,
                generation=self.generation,
                state=state,
                reason_code=ENDINGS[reason].journal_code if reason else 0,
            ),
        )

    def answer(self) -> Answer | None:
        """What the control plane said of this call last, or None so far."""
        answer = self.journal.answer(self.index)
        if answer and (answer.call_id, answer.epoch) == (self.call_id, self.epoch):
            return answer
        return None


class SlotPool:
    """A slot is free when no job holds it and the end of its last call was delivered."""

    def __init__(self, journal: Journal, cell: int) -> None:
        self._journal = journal
        self._indices = journal.slots_of(cell)
        self._generation = journal.generation(cell)
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self.served = 0  # calls that were here

    def reserve(self) -> Slot | None:
        """None when all are in use or not settled yet."""
        with self._lock:
            for index in self._indices:
                if index not in self._held and self._journal.is_settled(index):
                    self._held.add(index)
                    return Slot(self._journal, index, self._generation)
        return None

    def release(self, slot: Slot) -> None:
        with self._lock:
            self._held.discard(slot.index)
            self.served += 1

    @property
    def free(self) -> int:
        with self._lock:
            return sum(
                index not in self._held and self._journal.is_settled(index)
                for index in self._indices
            )
