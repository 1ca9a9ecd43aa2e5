"""Every SQL constant of every store is understood by the migrated database."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import asyncpg
import pytest

import billing.store
import control_plane.store

SQL_VERBS = ("select", "insert", "update", "delete", "with")


def modules() -> Iterator[ModuleType]:
    for package in (billing.store, control_plane.store):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(info.name)


def statements(module: ModuleType) -> dict[str, str]:
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value.strip().startswith(SQL_VERBS)
    }


@pytest.mark.parametrize("module", [*modules()], ids=lambda module: module.__name__)
async def test_every_statement_is_prepared_against_the_migrated_schema(
    db_dsn: str, module: ModuleType
) -> None:
    found = statements(module)
    assert found, "a store without SQL is no store"
    connection = await asyncpg.connect(db_dsn)
    try:
        for name, sql in found.items():
            try:
                await connection.prepare(sql)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{module.__name__}.{name}: {error}")
    finally:
        await connection.close()
