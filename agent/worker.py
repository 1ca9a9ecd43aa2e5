"""Puts one worker group together: the journal, the cells, the charger and their supervisor."""

import asyncio
import logging
import uuid
from pathlib import Path

# Imported before the first fork, so that every child shares the memory and starts at once.
import livekit.agents.ipc._preload
import livekit.agents.ipc.job_proc_lazy_main
import livekit.agents.ipc.job_thread_executor
import livekit.plugins.openai  # noqa: F401

from agent.cell import LINGERING_CALLS, serve
from agent.charger import Charger
from agent.charging_client import ChargingClient
from agent.journal import Journal
from agent.last_rites import close_the_dead
from agent.memory import limit_arenas
from agent.recording.delivery import Delivery, delivery_client, shelf_in
from agent.settings import AgentSettings
from agent.supervisor import Supervisor
from agent.tools.mcp.opening import load_sdk
from shared.clock import SystemClock
from shared.log import get_logger

log = get_logger(__name__)


def run_worker(settings: AgentSettings) -> int:
    """Serve until told to stop; returns the exit code of the process."""
    # Both narrate every call; the engine also warns of handles it has freed itself.
    logging.getLogger("livekit").setLevel(logging.ERROR)
    logging.getLogger("livekit.agents").setLevel(logging.WARNING)
    limit_arenas()
    load_sdk(settings.agent_mcp_servers)
    journal = Journal.create(
        settings.agent_journal_dir,
        worker_id=f"w-{uuid.uuid4().hex}",
        cells=settings.agent_processes,
        slots_per_cell=settings.agent_calls_per_process + LINGERING_CALLS,
    )
    log.info("worker_starting", worker_id=journal.worker_id, slots=settings.slots)
    clock = SystemClock()
    supervisor = Supervisor(
        settings=settings,
        journal=journal,
        clock=clock,
        cell_main=lambda cell: asyncio.run(serve(settings, journal, cell, clock)),
        charger_main=lambda: asyncio.run(_charge(settings, journal)),
    )
    code = supervisor.run()
    if all(journal.is_settled(slot) for slot in journal.slots):
        journal.remove()
    else:
        journal.close()  # the next worker on this machine closes what is left
    log.info("worker_stopped", worker_id=journal.worker_id, exit_code=code)
    return code


async def _charge(settings: AgentSettings, journal: Journal) -> None:
    """The charger's process: our own calls, and those of dead groups on this machine."""
    clock = SystemClock()
    folder = Path(settings.agent_journal_dir)
    async with (
        ChargingClient(settings.control_plane_url, settings.internal_token) as client,
        delivery_client(settings.control_plane_url, settings.internal_token) as recordings,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(close_the_dead(folder, client))
        tasks.create_task(Delivery(shelf_in(folder), recordings, clock).run())
        charger = Charger(journal, client, clock, settings.agent_calls_per_process)
        tasks.create_task(charger.run())
