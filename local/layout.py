"""Where a stack keeps its files."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOCKET_PATH_MAX = 100  # bytes; the kernel takes 107, and Postgres makes a .lock beside it


@dataclass(frozen=True, slots=True)
class Layout:
    """The data folder of one stack. Two stacks need two folders."""

    data: Path
    binaries: Path = ROOT / ".local" / "bin"  # built once, shared by all stacks of this checkout

    @classmethod
    def of(cls, data: Path) -> "Layout":
        return cls(data.resolve())

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def stack_file(self) -> Path:
        """Addresses, process ids and secrets of the running stack; readable by its owner only."""
        return self.data / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.data / "lock"

    @property
    def livekit_config(self) -> Path:
        return self.data / "livekit.yaml"

    @property
    def sockets(self) -> Path:
        """The folder of the Unix sockets; short, because a socket's path may not be long."""
        beside = self.data / "sockets"
        if len(str(beside / ".s.PGSQL.5432")) <= SOCKET_PATH_MAX:
            return beside
        name = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sexycall-{name}"

    def create(self) -> None:
        for folder in (self.data, self.logs, self.sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
