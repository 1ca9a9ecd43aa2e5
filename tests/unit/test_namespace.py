"""
Our packages have generic names, so a dependency could bring one of the same name.

PyPI has distributions that ship `agent` and `shared`. Ours win only while the root comes first on
the path and each has an `__init__.py`; this fails the day a dependency collides.
"""

import importlib
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("agent", "billing", "control_plane", "local", "shared", "tests")


@pytest.mark.parametrize("name", OURS)
def test_our_packages_are_ours(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None, f"{name} is a namespace package, which ranks last"
    assert Path(module.__file__) == ROOT / name / "__init__.py"


@pytest.mark.parametrize("name", OURS)
def test_no_dependency_ships_one_of_our_names(name: str) -> None:
    assert name not in importlib.metadata.packages_distributions()
