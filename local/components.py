"""The processes of the stack: what each needs before it can start, and when it is ready."""

import dataclasses
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx2

from local.child import Program
from local.environment import External, wants_real_voice
from local.layout import Layout
from local.livekit_build import ensure_livekit_server
from local.livekit_server import http_status, livekit_program, livekit_values, write_config
from local.machine import require_network
from local.ports import Ports
from local.postgres import Postgres
from local.redis_server import redis_program

# Stopped stage by stage: the agent settles its calls while the control plane still answers.
STOP_STAGES = (("agent",), ("web", "jobs"), ("livekit", "voice", "redis", "postgres"))

STOP_S = 5.0  # a process that needs longer is killed; nothing is lost, that is the point of it all
AGENT_STOP_S = 15.0  # ends its calls, and reports what they cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One process. `program` is built late, when what it needs is there."""

    name: str
    needs: tuple[str, ...] = ()
    program: Callable[[], Awaitable[Program]]
    once: bool = False  # runs to its end instead of staying
    ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """All a component's program is made from."""

    layout: Layout
    ports: Ports
    external: External
    environment: Mapping[str, str] = field(repr=False)
    durable: bool
    log: Callable[[str], None]

    def components(self) -> list[Component]:
        """In no order; `needs` gives it. Servers of somebody else are left out."""
        ours = [
            Component(name="migrate", needs=("postgres",), program=self._migrate, once=True),
            Component(name="jobs", needs=("migrate", "redis"), program=self._jobs),
            Component(name="web", needs=("migrate", "redis"), program=self._web, ports=("web",)),
            # Not after web: loading the media framework takes longest, and a worker without a
            # control plane waits for it.
            Component(name="agent", needs=("livekit",), program=self._agent),
        ]
        if not wants_real_voice(self.environment):
            ours.append(Component(name="voice", program=self._voice, ports=("voice",)))
        if not self.external.database_url:
            ours.append(Component(name="postgres", program=self._postgres))
        if not self.external.redis_url:
            ours.append(Component(name="redis", program=self._redis))
        if not self.external.livekit_url:
            ports = ("livekit", "rtc_tcp", "rtc_udp")
            ours.append(Component(name="livekit", program=self._livekit, ports=ports))
        return ours

    async def _postgres(self) -> Program:
        postgres = Postgres(self.layout, environment=self.environment, durable=self.durable)
        await postgres.prepare()
        return postgres.program()

    async def _redis(self) -> Program:
        return redis_program(self.layout, environment=self.environment)

    async def _livekit(self) -> Program:
        require_network()
        binary = await ensure_livekit_server(self.layout, self.environment, self.log)
        key = self.environment["LIVEKIT_API_KEY"]
        url = self.environment["CONTROL_PLANE_URL"]
        values = livekit_values(self.ports, api_key=key, control_plane_url=url)
        write_config(self.layout, values=values)
        return livekit_program(
            binary,
            self.layout,
            http_url=f"http://127.0.0.1:{self.ports.livekit}/",
            keys=f"{key}: {self.environment['LIVEKIT_API_SECRET']}",
            environment=self.environment,
        )

    async def _voice(self) -> Program:
        url = f"http://127.0.0.1:{self.ports.voice}/healthz"
        return self._python(
            "voice", "local.voice", "--port", str(self.ports.voice), ready=_answers_ok(url)
        )

    async def _migrate(self) -> Program:
        advice = f"If a migration was edited, remove the old database: rm -r {self.layout.postgres}"
        program = self._python("migrate", "shared.migrate")
        return dataclasses.replace(program, advice=f"{advice}.")

    async def _web(self) -> Program:
        arguments = (
            "control_plane.app:create_app --factory --host 127.0.0.1"
            " --no-access-log --no-proxy-headers --port"
        )
        return self._python(
            "web",
            "uvicorn",
            *arguments.split(),
            str(self.ports.web),
            ready=_answers_ok(f"http://127.0.0.1:{self.ports.web}/readyz"),
        )

    async def _jobs(self) -> Program:
        return self._python("jobs", "control_plane.jobs")

    async def _agent(self) -> Program:
        url = self.environment["CONTROL_PLANE_URL"]

        async def has_slots() -> bool:
            return (await agent_capacity(url)).slots > 0

        return self._python("agent", "agent", "start", ready=has_slots, stop_timeout_s=AGENT_STOP_S)

    def _python(
        self,
        name: str,
        *module: str,
        ready: Callable[[], Awaitable[bool]] | None = None,
        stop_timeout_s: float = STOP_S,
    ) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-m", *module),
            environment=self.environment,
            ready=ready,
            stop_timeout_s=stop_timeout_s,
        )


def _answers_ok(url: str) -> Callable[[], Awaitable[bool]]:
    async def answers() -> bool:
        return await http_status(url) == httpx2.codes.OK

    return answers


@dataclass(frozen=True, slots=True)
class AgentCapacity:
    """Worker groups that reported in the last seconds, and the calls they can hold."""

    workers: int = 0
    slots: int = 0


async def agent_capacity(control_plane_url: str) -> AgentCapacity:
    """As the control plane knows it from heartbeats; nothing when it does not answer."""
    try:
        async with httpx2.AsyncClient(timeout=1, trust_env=False) as client:
            answer = await client.get(f"{control_plane_url}/readyz")
            agents = answer.json()["dependencies"]["agents"]
            return AgentCapacity(workers=agents["workers"], slots=agents["slots"])
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return AgentCapacity()
