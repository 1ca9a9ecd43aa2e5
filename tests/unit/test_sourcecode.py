"""Rules of the house that a machine can check, so that review need not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = ("agent", "billing", "control_plane", "shared")
PACKAGES = (*PRODUCTION, "local")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
FORBIDDEN_NAMES = frozenset("utils helpers common misc base".split())
CLOCKS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "monotonic_ns"),
    ("time", "perf_counter"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}
SQL = re.compile(
    r"^\s*(select\s.+\sfrom\s|select\s+\w+\s*\(|insert\s+into\s|update\s+\w+\s+set\s|"
    r"delete\s+from\s|with\s+\w+\s+as\s+(materialized\s+)?\()",
    re.IGNORECASE | re.DOTALL,
)
# The runner of migrations must keep its own journal before any other table exists.
SQL_ELSEWHERE = frozenset({"shared/migrate.py"})


def sources(packages: tuple[str, ...]) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=name_of(path))


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_functions_fit_on_a_screen(package: str) -> None:
    too_long = [
        f"{name_of(path)}:{node.lineno} {node.name} has {length} lines"
        for path in sources((package,))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not too_long


def test_files_hold_one_noun() -> None:
    too_long = [
        name_of(path)
        for path in sources(PACKAGES)
        if len(path.read_text().splitlines()) > FILE_LINES_MAX
    ]
    assert not too_long
    vague = [name_of(path) for path in sources(PACKAGES) if path.stem in FORBIDDEN_NAMES]
    assert not vague


def test_sql_lives_in_store_modules() -> None:
    """A query beside a decision is a query nobody finds when the table changes."""
    misplaced = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources(PRODUCTION)
        if path.parent.name != "store" and name_of(path) not in SQL_ELSEWHERE
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert not misplaced


def test_only_the_clock_module_reads_a_clock() -> None:
    """Time is an input: what reads a clock by itself can't be tested at midnight or in a storm."""
    readers = [
        f"{name_of(path)}:{node.lineno} {owner}.{node.func.attr}"
        for path in sources(PRODUCTION)
        if name_of(path) != "shared/clock.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        for owner in [_last_name(node.func.value)]
        if (owner, node.func.attr) in CLOCKS
    ]
    assert not readers


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in sources(PACKAGES)
        if path.read_text().strip() and ast.get_docstring(parsed(path)) is None
    ]
    assert not silent


def test_the_sql_rule_sees_sql() -> None:
    for text in (
        "\nselect id from calls where x",
        "select f($1)",
        "insert into t values (1)",
        "update t set a = 1",
        "delete from t",
        "with a as (select 1) select 2",
    ):
        assert SQL.match(text), text
    for text in ("select a voice", "Update the prompt", "with love", "insert coin"):
        assert not SQL.match(text), text


def _last_name(node: ast.expr) -> str:
    """`datetime` of both `datetime.now()` and `datetime.datetime.now()`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
