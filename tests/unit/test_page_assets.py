"""livekit-client is put in place once, and whatever goes wrong is one line, never a crash."""

import os
import threading
from pathlib import Path

import pytest

from local.web_assets import MODULE, ensure_web_assets

NPM_THAT_WORKS = f"""#!/bin/sh
echo run >> ../runs
mkdir -p node_modules/{MODULE.parent}
echo 'export {{}};' > node_modules/{MODULE}
touch node_modules/.package-lock.json
"""
NPM_WITHOUT_NETWORK = """#!/bin/sh
echo 'npm warn something' >&2
echo 'npm error code ENOTFOUND' >&2
echo 'npm error network request to a registry failed' >&2
echo 'npm error A complete log of this run can be found in: somewhere' >&2
exit 1
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a lock file, and a PATH on which only our own npm can be."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path


def install_npm(root: Path, script: str) -> None:
    npm = root / "bin" / "npm"
    npm.write_text(script)
    npm.chmod(0o755)


def test_the_module_is_copied_where_the_page_looks_for_it(root: Path) -> None:
    install_npm(root, NPM_THAT_WORKS)
    ensure_web_assets(root, print)
    placed = root / "web" / "vendor" / MODULE.name
    assert placed.read_text() == "export {};\n"
    assert [path.name for path in placed.parent.iterdir()] == [MODULE.name]


def test_a_second_start_runs_nothing(root: Path) -> None:
    install_npm(root, NPM_THAT_WORKS)
    ensure_web_assets(root, print)
    lines: list[str] = []
    ensure_web_assets(root, lines.append)
    assert ((root / "runs").read_text(), lines) == ("run\n", [])


def test_a_newer_lock_file_installs_again(root: Path) -> None:
    install_npm(root, NPM_THAT_WORKS)
    ensure_web_assets(root, print)
    placed = root / "web" / "vendor" / MODULE.name
    later = placed.stat().st_mtime + 10
    os.utime(root / "web" / "package-lock.json", (later, later))
    ensure_web_assets(root, print)
    assert (root / "runs").read_text() == "run\nrun\n"


def test_two_stacks_that_start_at_once_install_once(root: Path) -> None:
    install_npm(root, NPM_THAT_WORKS)
    threads = [threading.Thread(target=ensure_web_assets, args=(root, print)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (root / "runs").read_text() == "run\n"


def test_without_npm_one_line_says_how_to_get_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(root / "bin"))
    lines: list[str] = []
    ensure_web_assets(root, lines.append)
    assert len(lines) == 1
    assert "install Node.js" in lines[0]
    assert "python -m local.web_assets" in lines[0]


def test_an_npm_that_fails_is_reported_with_its_reason(root: Path) -> None:
    install_npm(root, NPM_WITHOUT_NETWORK)
    lines: list[str] = []
    ensure_web_assets(root, lines.append)
    assert lines[-1].endswith("can't place calls: network request to a registry failed")
    assert not (root / "web" / "vendor").exists()
