"""Fixtures for all tests."""

from tests.stack import (
    db_dsn,
    postgres_dsn,
    pytest_runtest_makereport,
    redis_url,
    stack,
    template_database,
)

__all__ = [
    "db_dsn",
    "postgres_dsn",
    "pytest_runtest_makereport",
    "redis_url",
    "stack",
    "template_database",
]
