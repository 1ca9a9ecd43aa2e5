"""When somebody was heard: loudness turned into stretches of speech. Pure; the clock is given."""

from dataclasses import dataclass

LOUD = 500  # of 32767; codec noise of a silent line stays below 50
PAUSE_S = 0.6  # silence inside one stretch: the voice breathes between sentences


@dataclass(slots=True)
class Stretch:
    """Speech from `from_s` until `until_s`, seconds of a monotonic clock."""

    from_s: float
    until_s: float


class Hearing:
    """What was heard of one side, frame by frame."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def hear(self, *, from_s: float, until_s: float) -> None:
        """Something loud lasted from `from_s` until `until_s`; silence is not reported."""
        last = self.stretches[-1] if self.stretches else None
        if last and from_s - last.until_s < PAUSE_S:
            last.until_s = max(last.until_s, until_s)
        else:
            self.stretches.append(Stretch(from_s, until_s))

    @property
    def first_s(self) -> float | None:
        """When the first sound was heard."""
        return self.stretches[0].from_s if self.stretches else None

    @property
    def last_s(self) -> float | None:
        """When the last sound was heard."""
        return self.stretches[-1].until_s if self.stretches else None

    @property
    def total_s(self) -> float:
        """Seconds of speech, pauses within a stretch included."""
        return sum(stretch.until_s - stretch.from_s for stretch in self.stretches)

    def speaks(self, now_s: float) -> bool:
        last = self.last_s
        return last is not None and now_s - last < PAUSE_S

    def quiet_s(self, now_s: float) -> float:
        """How long nothing was heard; 0 while there was no sound yet."""
        last = self.last_s
        return 0 if last is None else now_s - last

    def onset_after(self, moment_s: float) -> float | None:
        """The beginning of the first stretch that began after a moment."""
        return next((s.from_s for s in self.stretches if s.from_s > moment_s), None)
