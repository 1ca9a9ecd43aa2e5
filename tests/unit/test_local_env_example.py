"""`.env.example` is the list of settings: one that is not in it exists for nobody."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import agent.settings
import billing
import control_plane.settings
import local.voice
from local.livekit_server import CONFIG
from local.ports import NAMES, variable_of
from shared.settings import EnvironmentSettings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SETTINGS_MODULES = (agent.settings, control_plane.settings)


def documented() -> set[str]:
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))


def settings_classes() -> Iterator[type[EnvironmentSettings]]:
    for package in (billing, local.voice):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    waiting = [EnvironmentSettings]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if found.__module__.split(".")[0] != "tests":
            yield found


def test_every_setting_is_documented() -> None:
    read = {name.upper() for settings in settings_classes() for name in settings.model_fields}
    assert read - documented() == set()


def test_every_value_of_the_livekit_configuration_is_documented() -> None:
    assert set(re.findall(r"\$\{([A-Z0-9_]+)\}", CONFIG.read_text())) - documented() == set()


def test_every_port_of_the_local_stack_is_documented() -> None:
    assert {variable_of(name) for name in NAMES} - documented() == set()


def test_no_secret_has_a_value() -> None:
    secrets = re.findall(
        r"^(?:# )?(\w+(?:_KEY|_SECRET|_TOKEN|_DSN|_KEYS))=(.+)$", EXAMPLE.read_text(), re.MULTILINE
    )
    assert secrets == [("LOCAL_VOICE_CHAT_API_KEY", "none")]
