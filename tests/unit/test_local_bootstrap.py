"""Making .venv from the lock file."""

import re

import pytest

from local.bootstrap import LOCK, CannotSetUp, locked, require_python

SMALL = """\
alpha==1.0 \\
    --hash=sha256:aa
    # via beta
uv==0.1 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via (pyproject.toml)
uvicorn==0.5 \\
    --hash=sha256:dd
"""


def test_uv_comes_by_the_hashes_of_the_lock_file() -> None:
    assert locked("uv", SMALL).split() == [
        "uv==0.1",
        "\\",
        "--hash=sha256:bb",
        "\\",
        "--hash=sha256:cc",
    ]


def test_the_real_lock_file_pins_uv() -> None:
    assert re.match(r"uv==[\d.]+ ", locked("uv", LOCK.read_text()))


def test_a_lock_file_without_it_says_what_to_do() -> None:
    with pytest.raises(CannotSetUp, match="make lock"):
        locked("gamma", SMALL)


def test_an_old_python_is_told_in_one_line() -> None:
    with pytest.raises(CannotSetUp, match=r"Python 3\.11 or newer is needed, this is 3\.10"):
        require_python((3, 10))
