"""
The process that touches foreign audio:

    python -m control_plane.audio.worker MEMORY_MB CPU_S

It gets tasks through its standard input, has no credentials, opens no file and no connection, and
may die at any moment. It ends when its input does.
"""

import os
import sys
from dataclasses import asdict
from typing import BinaryIO, Final

from control_plane.audio import wire
from control_plane.audio.limits import limit_process, limit_task
from control_plane.audio.port import AudioFormat, BadAudio
from control_plane.audio.wire import Header

EXIT_NO_MEMORY: Final = 12


def main(memory_mb: int, cpu_s: int) -> None:
    """Work until the input ends."""
    answers = _take_standard_output()
    # Imported under the limits, so that one that is too small shows at the start.
    limit_process(memory_mb)
    while (task := wire.receive(sys.stdin.buffer)) is not None:
        limit_task(cpu_s)
        try:
            header, payload = _work(*task)
        except MemoryError:  # what is left of the heap is not worth trusting
            os._exit(EXIT_NO_MEMORY)
        except BadAudio as refused:
            header, payload = {"refused": refused.code}, b""
        except Exception as error:  # noqa: BLE001 - the edge of the process: a bug, told by its type
            header, payload = {"failed": type(error).__name__}, b""
        wire.send(answers, header, payload)


def _take_standard_output() -> BinaryIO:
    """The pipe to the server; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _work(task: Header, payload: bytes) -> tuple[Header, bytes]:
    # FFmpeg and numpy are loaded by the first task that needs them; the server never does.
    if task["do"] == "decode":
        from control_plane.audio.decoding import decoded  # noqa: PLC0415

        recording = decoded(
            payload, media_type=task["media_type"], max_s=task["max_s"], trim_s=task["trim_s"]
        )
        return {"facts": asdict(recording.facts)}, recording.pcm
    if task["do"] == "encode":
        from control_plane.audio.encoding import encoded  # noqa: PLC0415

        return {}, encoded(payload, AudioFormat(task["format"]))
    from control_plane.audio.joining import joined  # noqa: PLC0415

    return {}, joined(_cut(payload, task["lengths"]))


def _cut(payload: bytes, lengths: list[int]) -> list[bytes]:
    """`payload` in pieces of so many bytes each."""
    pieces = []
    start = 0
    for length in lengths:
        pieces.append(payload[start : start + length])
        start += length
    return pieces


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
