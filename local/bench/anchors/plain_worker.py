"""
The anchor: the LiveKit Agents worker one would write today, with the framework's defaults.

    python -m local.bench.anchors.plain_worker start

Process executor, two idle processes, no metering, no database, no captions of its own.
"""

import os

from livekit.agents import (  # noqa: TID251 - it is what we compare with
    Agent,
    AgentServer,
    AgentSession,
    JobContext,
    cli,
)
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from local.bench.anchors import PLAIN_WORKER

UNLIMITED_LOAD = 1e9  # its own limit counts the whole machine, callers included

server = AgentServer(num_idle_processes=2, host="127.0.0.1", port=0, load_threshold=UNLIMITED_LOAD)


@server.rtc_session(agent_name=PLAIN_WORKER)
async def answer(context: JobContext) -> None:
    """Greet and talk."""
    model = RealtimeModel(
        model="local",
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ["OPENAI_API_KEY"],
        turn_detection=ServerVad(type="server_vad"),
    )
    session: AgentSession[None] = AgentSession(llm=model)
    await session.start(Agent(instructions="Be brief."), room=context.room, record=False)
    await session.generate_reply()


if __name__ == "__main__":
    cli.run_app(server)
