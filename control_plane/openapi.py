"""The application with a schema that tells the truth about its errors, and about bodies."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

_FRAMEWORK_ERRORS: Final = ("HTTPValidationError", "ValidationError")
_DEFINITION: Final = "#/$defs/"


class WebApplication(FastAPI):
    """FastAPI promises 422 for wrong parameters; ours answer 400 (see `http_errors.py`)."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        for path in schema["paths"].values():
            for operation in path.values():
                # A route that documents a 422 of its own means what providers refuse.
                if _FRAMEWORK_ERRORS[0] in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        for unused in _FRAMEWORK_ERRORS:
            schema["components"]["schemas"].pop(unused, None)
        return schema


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """
    `openapi_extra` of a route whose JSON body is a `model`.

    For what a route reads by itself, after identity and limits were checked.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _inlined(schema, definitions)}},
        }
    }


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """`node` with its definitions in place of references to them; they are never circular."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_DEFINITION):
            return _inlined(definitions[reference.removeprefix(_DEFINITION)], definitions)
        return {key: _inlined(value, definitions) for key, value in node.items()}
    if isinstance(node, list):
        return [_inlined(inner, definitions) for inner in node]
    return node
