"""A cable between a client and a real server, that a test can cut, freeze and plug in again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 65_536


class Cable:
    """Forwards a loopback port to a Unix socket or to another port."""

    def __init__(self, target: str | int) -> None:
        self.port = 0
        self.frozen = False  # nothing passes, and nobody is told
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def plug_in(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and break those there are."""
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writers.clear()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._target, str):
            to_server, from_here = await asyncio.open_unix_connection(self._target)
        else:
            to_server, from_here = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, from_here}
        for source, sink in ((reader, from_here), (to_server, writer)):
            task = asyncio.create_task(self._forward(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                while self.frozen:  # a test thaws it
                    await asyncio.sleep(0.02)
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def cable_to(target: str | int) -> AsyncIterator[Cable]:
    """A cable that is plugged in; cut at the end."""
    cable = Cable(target)
    await cable.plug_in()
    try:
        yield cable
    finally:
        cable.frozen = False
        await cable.cut()
