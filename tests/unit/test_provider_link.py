"""What a provider may send us, who may be any server that speaks the protocol."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from agent import provider_link
from agent.provider_link import ERROR_CHARS_MAX, fatal_code

CODE = "insufficient_quota"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"code": CODE}},
        {"type": "error", "error": {"type": CODE, "code": None}},
        {"type": "response.done", "response": {"status_details": {"error": {"code": CODE}}}},
        {"error": CODE},
    ],
)
def test_an_error_for_good_is_known_in_each_of_its_forms(event: Any) -> None:
    assert fatal_code(json.dumps(event)) == CODE


@pytest.mark.parametrize(
    "text",
    [
        f'["{CODE}"]',
        f'"{CODE}"',
        f"{CODE}: top up",
        json.dumps({"error": [CODE]}),
        json.dumps({"error": {"code": [CODE]}}),
        json.dumps({"response": CODE}),
        json.dumps({"response": {"status_details": [CODE]}}),
        json.dumps({"type": "x.delta", "delta": f"the words {CODE}"}),
        f"{'[' * (ERROR_CHARS_MAX - len(CODE))}{CODE}",
    ],
)
def test_whatever_else_holds_the_word_is_no_error_and_breaks_nothing(text: str) -> None:
    assert fatal_code(text) is None


def test_it_imports_no_engine_since_each_of_them_imports_it() -> None:
    """With a cycle, whoever imports this module first fails, and nobody else does."""
    body = ast.parse(Path(provider_link.__file__).read_text()).body
    imported = [node.module or "" for node in body if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name.startswith("agent.engines")]
