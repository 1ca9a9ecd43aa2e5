"""
Two short storms of `make chaos`. The long ones, and their numbers, are a command.

The virtual one runs the agent's real journal, charger and last rites through a faulty network; the
real one holds media calls. Both compare the bills with the callers' own account.
"""

from pathlib import Path

import pytest

from local.chaos.media_storm import MediaStorm
from local.chaos.truth import Fate
from local.chaos.virtual_storm import VirtualStorm
from local.commands.chaos import PARTS
from local.stack import Stack
from tests.stack import clean_environment

# Each takes over a minute where nothing else runs.
pytestmark = pytest.mark.timeout(300)


async def test_virtual_calls_under_faults_are_billed_exactly_or_less(tmp_path: Path) -> None:
    async with Stack.start(
        data_dir=tmp_path / "stack", environment=clean_environment(), only=PARTS
    ) as stack:
        storm = VirtualStorm(
            stack, tmp_path / "journals", seed=11, calls_total=800, log=lambda _line: None
        )
        verdict, saboteur, _ = await storm.run()

    assert verdict.broken == []
    assert verdict.over_max_s <= 0
    assert verdict.fates[Fate.CLEAN] > 500
    assert saboteur.blows


async def test_media_calls_under_kills_are_never_billed_too_much(tmp_path: Path) -> None:
    async with Stack.start(
        data_dir=tmp_path, environment=clean_environment(), durable=False
    ) as stack:
        report = await MediaStorm(stack, seed=12, calls_total=8, callers=3).run()

    assert report.broken == []
    assert report.calls >= 4  # some callers came while there was nobody to answer
    assert report.blows
