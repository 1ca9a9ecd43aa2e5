"""What can be heard in a recording: the caller on the left, the agent on the right."""

import io
from dataclasses import dataclass

import av

LOUD = 0.05  # of 1; speech is louder, and what a codec lets through to the other side is not
BLOCK_S = 0.02


@dataclass(frozen=True, slots=True)
class Tape:
    """What is in a recording. `caller` and `agent`: the moments in s at which each is loud."""

    seconds: float
    caller: list[float]
    agent: list[float]

    @property
    def caller_s(self) -> float:
        return len(self.caller) * BLOCK_S

    @property
    def agent_s(self) -> float:
        return len(self.agent) * BLOCK_S


def tape_of(data: bytes) -> Tape:
    block, position = int(48_000 * BLOCK_S), 0
    loud: tuple[list[float], list[float]] = ([], [])
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(audio=0):
            for side, pcm in enumerate(frame.to_ndarray()):
                for start in range(0, len(pcm), block):
                    if abs(pcm[start : start + block]).max() > LOUD:
                        loud[side].append((position + start) / 48_000)
            position += frame.samples
    return Tape(position / 48_000, *loud)
