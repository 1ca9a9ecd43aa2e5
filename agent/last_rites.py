"""
Closes the calls of worker groups that died on this machine.

A live group holds the lock of its journal. A file whose lock is free belongs to the dead: its calls
are closed with the seconds it last wrote, then the file goes. The other groups' files are looked at
again and again, so a survivor closes the calls of a neighbour without a restart.
"""

import asyncio
from pathlib import Path

from agent.charging_client import ChargingClient
from agent.closing import Closer, Ownership
from agent.journal import SUFFIX, Journal, Watermark
from shared.log import get_logger

log = get_logger(__name__)

SCAN_EVERY_S = 5.0
SWEEP_EVERY_S = 0.5
JOURNALS_MAX = 1000  # more files than that were not left by us


async def close_the_dead(folder: Path, client: ChargingClient) -> None:
    """Serve until cancelled. Never stands in the way of new calls."""
    unreadable: set[Path] = set()
    while True:
        for path in _journals(folder):
            try:
                journal = Journal.adopt(path)
            except ValueError:
                if path not in unreadable:  # said once; it stays for a person to look at
                    unreadable.add(path)
                    log.warning("journal_unreadable", path=path.name)
                continue
            if journal:
                await _bury(journal, client)
        await asyncio.sleep(SCAN_EVERY_S)


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))[:JOURNALS_MAX]


async def _bury(journal: Journal, client: ChargingClient) -> None:
    log.info("journal_adopted", path=journal.path.name, worker_id=journal.worker_id)
    closer = Closer(journal, client)
    async with asyncio.TaskGroup() as tasks:
        while not all(journal.is_settled(slot) for slot in journal.slots):
            closer.sweep(tasks, _all_dead)
            await asyncio.sleep(SWEEP_EVERY_S)
    journal.remove()


def _all_dead(_slot: int, _mark: Watermark) -> Ownership:
    return Ownership.DEAD
