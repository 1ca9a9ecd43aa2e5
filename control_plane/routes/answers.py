"""Shapes that several answers share."""

from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from control_plane.http_errors import ErrorBody

PAGE_MAX: Final = 100_000  # deeper than anybody reads, shallow enough for an offset
PAGE_SIZE_MAX: Final = 100
PAGE_SIZE: Final = 20

PageNumber = Annotated[int, Query(ge=1, le=PAGE_MAX)]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=PAGE_SIZE_MAX)]


class Answer(BaseModel):
    """Written in Python's names, sent in JavaScript's."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


def page_count(total: int, size: int) -> int:
    """How many pages of `size` hold `total` rows."""
    return -(-total // size)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the error statuses of a route."""
    return {status: {"model": ErrorBody} for status in statuses}
