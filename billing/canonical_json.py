"""
One spelling for a JSON value, so that its bytes can be hashed and signed.

Objects with ASCII names in sorted order, arrays, strings, whole numbers of 64 bits and booleans;
no fraction, no null, no space, UTF-8. For whole numbers below 2^53 it is the form of RFC 8785.
Reads what strangers send: whatever is wrong with a text is a `NotCanonical`, nothing else.
"""

import json
from typing import Any, NoReturn

INTEGER_MAX = 2**63 - 1  # as in Postgres
DEPTH_MAX = 16  # a receipt has 4 levels


class NotCanonical(ValueError):
    """The value or text has no canonical form; the message says why."""


def encode(value: object) -> str:
    """The only spelling of `value`. Raises NotCanonical."""
    _check(value, DEPTH_MAX)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode(text: str) -> Any:
    """The value of a text in canonical form. Raises NotCanonical."""
    value = read(text)
    if encode(value) != text:
        raise NotCanonical("it is not in canonical form")
    return value


def read(text: str) -> Any:
    """The value of a JSON text in any spelling, without fractions and repeated names."""
    try:
        return json.loads(
            text,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise NotCanonical("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotCanonical(f"it is not JSON (line {error.lineno}: {error.msg})") from None
    except NotCanonical:
        raise
    except ValueError:  # Python refuses to read a number of thousands of digits
        raise NotCanonical("a number is too long") from None


def _refuse_number(_text: str) -> NoReturn:
    raise NotCanonical("it has a number that is not whole")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotCanonical("an object has the same name twice")
    return fields


def _check(value: object, depth_left: int) -> None:
    if depth_left == 0:
        raise NotCanonical("it is nested too deeply")
    if isinstance(value, dict):
        if not all(isinstance(name, str) and name.isascii() for name in value):
            raise NotCanonical("a name is not ASCII")
        for member in value.values():
            _check(member, depth_left - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth_left - 1)
    else:
        _check_scalar(value)


def _check_scalar(value: object) -> None:
    if isinstance(value, str):
        if not _is_text(value):
            raise NotCanonical("a string is not Unicode text")
    elif isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise NotCanonical("a number is too large")
    else:
        raise NotCanonical(f"it has a value of type {type(value).__name__}")


def _is_text(value: str) -> bool:
    """False for half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
