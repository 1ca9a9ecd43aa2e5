"""Stripe's form encoding: `line_items[0][price]=x` is `{"line_items": [{"price": "x"}]}`."""

from collections.abc import Iterable
from typing import Any

from tests.fakes.stripe.refusals import invalid

TRUTH = {"true": True, "false": False}
DEPTH_MAX = 8  # no call of Stripe's nests deeper


def read_form(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Values stay text; who wants a number or a truth asks `number` or `truth`."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        keys = name.replace("]", "").split("[")
        if len(keys) > DEPTH_MAX:
            raise invalid("Nested too deep", param=keys[0])
        place = root
        for key in keys[:-1]:
            place = place.setdefault(key or str(len(place)), {})
        place[keys[-1] or str(len(place))] = value
    return {name: _with_lists(value) for name, value in root.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(item) for name, item in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def number(params: dict[str, Any], name: str, default: int | None = None) -> int:
    value = params.get(name, default)
    if value is None:
        raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    try:
        return int(value)
    except ValueError as error:
        code = "parameter_invalid_integer"
        raise invalid(f"Invalid integer: {value}", param=name, code=code) from error


def text(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not value or not isinstance(value, str):
        raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    return value


def truth(params: dict[str, Any], name: str, *, default: bool = False) -> bool:
    value = params.get(name, default)
    if isinstance(value, bool):
        return value
    if value not in TRUTH:
        raise invalid(f"Invalid boolean: {value}", param=name)
    return TRUTH[value]
