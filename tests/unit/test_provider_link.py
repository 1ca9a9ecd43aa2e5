"""What a provider may send us, who may be any server that speaks the protocol."""

import json
from typing import Any

import pytest

from agent.engines.provider_link import ERROR_CHARS_MAX, fatal_code

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
