"""Fixtures for all tests."""

# Early and at a shallow stack: where it is first imported late, from a fixture, CPython 3.11 fails
# to parse it now and then ("AST constructor recursion depth mismatch").
import hypothesis  # noqa: F401

from tests.stack import (
    db_dsn,
    media,
    postgres_dsn,
    pytest_runtest_makereport,
    redis_url,
    stack,
    template_database,
)

__all__ = [
    "db_dsn",
    "media",
    "postgres_dsn",
    "pytest_runtest_makereport",
    "redis_url",
    "stack",
    "template_database",
]
