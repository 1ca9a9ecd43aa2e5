"""
A rate card as a TOML file: one `[[rate]]` table a price.

    [[rate]]
    product = "speech"        # call, speech or clone
    model = "*"               # '*' or left out: all; likewise plan and channel
    unit = "character"        # minute (calls), character, token, second or operation
    price = "0.24"            # credits: an integer, or a decimal in quotes
    per = 1                   # the price is for so many units
    minimum = 0               # credits

Money is never a float: 0.1 would already be another number when it is read.
"""

import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from billing.money import MICRO
from billing.price_book import ANY, CardRefused
from billing.store.prices import Rate

BYTES_MAX: Final = 1_000_000  # a thousand rates with a page of comments each
_KEYS: Final = frozenset("product model plan channel unit price per minimum".split())
_DECIMAL: Final = re.compile(r"(-?)(\d{1,9})(?:\.(\d{1,6}))?")


def parse_card(text: str) -> list[Rate]:
    """The rates of a file. Raises CardRefused, with every problem in it."""
    if len(text) > BYTES_MAX:
        raise CardRefused(["the file is too large"])
    try:
        document = tomllib.loads(text, parse_float=_refuse_float)
    except tomllib.TOMLDecodeError as error:
        raise CardRefused([f"not TOML: {error}"]) from None
    tables = document.pop("rate", [])
    if document or not isinstance(tables, list) or not tables:
        raise CardRefused(["the file must consist of [[rate]] tables"])
    rates, problems = [], []
    for number, table in enumerate(tables, start=1):
        try:
            rates.append(_parse_rate(table))
        except ValueError as error:
            problems.append(f"rate {number}: {error}")
    if problems:
        raise CardRefused(problems)
    return rates


def format_card(rates: Sequence[Rate]) -> str:
    """The file that reads as these rates."""
    return "\n".join(_format_rate(rate) for rate in rates)


def _refuse_float(digits: str) -> NoReturn:
    raise CardRefused([f'{digits} is a float; write an integer, or "{digits}" in quotes'])


def _parse_rate(table: Any) -> Rate:
    if not isinstance(table, dict):
        raise ValueError("must be a table")  # noqa: TRY004 - one kind of error for the caller
    if unknown := table.keys() - _KEYS:
        raise ValueError(f"unknown key {min(unknown)}")
    if missing := {"product", "unit", "price"} - table.keys():
        raise ValueError(f"{min(missing)} is missing")
    per = table.get("per", 1)
    if type(per) is not int:
        raise ValueError("per must be an integer")
    return Rate(
        product=_word(table, "product"),
        model=_word(table, "model"),
        plan=_word(table, "plan"),
        channel=_word(table, "channel"),
        unit=_word(table, "unit"),
        price_microcredits=_microcredits(table["price"], "price"),
        per_units=per,
        minimum_microcredits=_microcredits(table.get("minimum", 0), "minimum"),
    )


def _word(table: dict[str, Any], key: str) -> str:
    value = table.get(key, ANY)
    if not isinstance(value, str):
        raise ValueError(f"{key} must be text")  # noqa: TRY004 - one kind of error for the caller
    return value


def _microcredits(value: object, key: str) -> int:
    if type(value) is int:  # not bool
        return value * MICRO
    found = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{key} must be credits: an integer, or a decimal in quotes")
    sign, whole, fraction = found.groups(default="")
    amount = int(whole) * MICRO + int(fraction.ljust(6, "0"))
    return -amount if sign else amount


def _format_rate(rate: Rate) -> str:
    lines = [
        "[[rate]]",
        f'product = "{rate.product}"',
        f'model = "{rate.model}"',
        f'plan = "{rate.plan}"',
        f'channel = "{rate.channel}"',
        f'unit = "{rate.unit}"',
        f"price = {_format_money(rate.price_microcredits)}",
    ]
    if rate.per_units != 1:
        lines.append(f"per = {rate.per_units}")
    if rate.minimum_microcredits:
        lines.append(f"minimum = {_format_money(rate.minimum_microcredits)}")
    return "\n".join(lines) + "\n"


def _format_money(amount: int) -> str:
    whole, rest = divmod(amount, MICRO)
    return str(whole) if rest == 0 else f'"{whole}.{rest:06}"'
