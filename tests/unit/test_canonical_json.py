"""One spelling for each value, and a reader that survives what strangers send."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import canonical_json

JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_a_canonical_text_is_read_back_as_it_was(value: object) -> None:
    text = canonical_json.encode(value)

    assert canonical_json.decode(text) == value
    assert canonical_json.encode(canonical_json.decode(text)) == text


def test_the_canonical_form_is_the_documented_one() -> None:
    value = {"b": [1, -2, True, {"z": "", "a": 'ü "\\\n\x01€'}], "A": "\u2028", "a1": 0}

    assert canonical_json.encode(value) == (
        '{"A":"\u2028","a1":0,"b":[1,-2,true,{"a":"ü \\"\\\\\\n\\u0001€","z":""}]}'
    )


@pytest.mark.parametrize(
    "value", [1.0, None, 2**63, {"ä": 1}, {1: 2}, "\ud800", b"x", {"a": [None]}]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(canonical_json.NotCanonical):
        canonical_json.encode(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "not JSON (line 1"),
        ("[1.0]", "not whole"),
        ("[1e3]", "not whole"),
        ("[NaN]", "not whole"),
        ('{"a":1,"a":1}', "the same name twice"),
    ],
)
def test_a_text_that_is_not_read_says_why(text: str, words: str) -> None:
    with pytest.raises(canonical_json.NotCanonical, match=re.escape(words)):
        canonical_json.read(text)


def test_a_text_made_to_exhaust_the_reader_is_refused() -> None:
    for text, words in (("[" * 100_000, "nested too deeply"), ("9" * 5_000, "too long")):
        with pytest.raises(canonical_json.NotCanonical, match=words):
            canonical_json.read(text)
    with pytest.raises(canonical_json.NotCanonical, match="nested too deeply"):
        canonical_json.decode("[" * 17 + "]" * 17)


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '{"b":1,"a":2}', '"\\u00e4"', "01", "1.0", "-0", '{"a":1,"a":1}', "1 "]
)
def test_another_spelling_is_not_canonical(text: str) -> None:
    with pytest.raises(canonical_json.NotCanonical):
        canonical_json.decode(text)
