"""
The OpenAPI document of the routes for programs, cut out of the application's own.

What a route reads by itself (after the key and the limits were checked) it documents with
`body_of`.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from control_plane.v1_errors import PROGRAM_PATHS

DOCUMENT_VERSION: Final = "1.1.0"  # upstream's is 1.0.1; ours has more routes
SECURITY: Final = "apiKey"
OPEN_PATHS: Final = frozenset({"/api/v1/openapi"})
_DEFINITION: Final = "#/$defs/"
_COMPONENT: Final = "#/components/schemas/"


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route whose JSON body is a `model`."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _inlined(schema, definitions)}},
        }
    }


def program_document(
    whole: Mapping[str, Any], *, title: str, voice_names: list[str]
) -> dict[str, Any]:
    """
    The paths of programs with what they refer to, and `voice_names` as examples of a voice.

    Every operation needs a key except the document itself.
    """
    paths = {
        path: _secured(path, operations)
        for path, operations in whole["paths"].items()
        if path.startswith(PROGRAM_PATHS)
    }
    for voice in _voices_in(paths):
        voice["examples"] = voice_names
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": DOCUMENT_VERSION},
        "paths": paths,
        "components": {
            "schemas": _used(paths, whole.get("components", {}).get("schemas", {})),
            "securitySchemes": {
                SECURITY: {"type": "http", "scheme": "bearer", "bearerFormat": "sk_live_…"}
            },
        },
    }


def _secured(path: str, operations: Mapping[str, Any]) -> dict[str, Any]:
    secured = copy.deepcopy(dict(operations))
    if path not in OPEN_PATHS:
        for operation in secured.values():
            operation["security"] = [{SECURITY: []}]
    return secured


def _voices_in(node: Any) -> Iterator[dict[str, Any]]:
    """Schemas of request fields called voice."""
    if isinstance(node, dict):
        voice = node.get("properties", {}).get("voice") if "properties" in node else None
        if isinstance(voice, dict):
            yield voice
        for inner in node.values():
            yield from _voices_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _voices_in(inner)


def _used(paths: Any, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that `paths` refer to, and those that these refer to."""
    used: dict[str, Any] = {}
    waiting = [*_references(paths)]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = copy.deepcopy(schemas[name])
            waiting += _references(used[name])
    return dict(sorted(used.items()))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_COMPONENT):
            yield reference.removeprefix(_COMPONENT)
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


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
