"""Finding livekit-server and filling in its configuration."""

from pathlib import Path

import pytest

from local.failure import CannotRun
from local.layout import Layout
from local.livekit_build import ensure_livekit_server
from local.livekit_server import find_livekit_server, livekit_values, write_config
from local.ports import ports_from_environment


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "data", binaries=tmp_path / "bin")
    made.create()
    return made


def test_the_named_program_comes_first_then_path_then_our_own(
    tmp_path: Path, layout: Layout
) -> None:
    named = program(tmp_path / "named" / "server")
    on_path = program(tmp_path / "path" / "livekit-server")
    built = program(layout.binaries / "livekit-server")
    path = {"PATH": str(on_path.parent)}
    assert find_livekit_server(layout, {**path, "LIVEKIT_SERVER_BIN": str(named)}) == named
    assert find_livekit_server(layout, path) == on_path
    assert find_livekit_server(layout, {"PATH": "/nowhere"}) == built


def test_a_named_program_that_is_not_there_is_an_error(layout: Layout) -> None:
    with pytest.raises(CannotRun, match="LIVEKIT_SERVER_BIN=/nowhere is not a program"):
        find_livekit_server(layout, {"LIVEKIT_SERVER_BIN": "/nowhere"})


async def test_without_go_and_without_livekit_one_line_says_what_to_install(
    layout: Layout,
) -> None:
    with pytest.raises(CannotRun, match="No livekit-server and no Go") as raised:
        await ensure_livekit_server(layout, {"PATH": "/nowhere"}, print)
    assert "\n" not in str(raised.value)


async def test_a_build_that_fails_says_why_and_leaves_nothing_half_done(
    tmp_path: Path, layout: Layout
) -> None:
    go = program(tmp_path / "path" / "go")
    go.write_text("#!/bin/sh\necho go: no such module >&2\nexit 1\n")
    with pytest.raises(CannotRun, match="no such module"):
        await ensure_livekit_server(layout, {"PATH": str(go.parent)}, print)
    assert find_livekit_server(layout, {"PATH": "/nowhere"}) is None


def test_the_committed_configuration_is_filled_in(layout: Layout) -> None:
    values = livekit_values(
        ports_from_environment({}), api_key="key1", control_plane_url="http://127.0.0.1:8800"
    )
    write_config(layout, values=values)
    written = layout.livekit_config.read_text()
    assert "port: 8801\n" in written
    assert 'bind_addresses: ["127.0.0.1"]' in written
    assert "udp_port: 8803\n" in written
    assert 'urls: ["http://127.0.0.1:8800/webhooks/livekit"]' in written
    assert "auto_create: false" in written
    assert "$" not in written


def test_a_value_that_is_missing_is_named(layout: Layout) -> None:
    with pytest.raises(CannotRun, match=r"\$\{LIVEKIT_PORT\}, which is not set"):
        write_config(layout, values={})
