"""The OpenAPI document of the routes for programs, cut out of the application's own."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from control_plane.v1_errors import PROGRAM_PATHS

DOCUMENT_VERSION: Final = "1.1.0"  # upstream's is 1.0.1; ours has more routes
SECURITY: Final = "apiKey"
OPEN_PATHS: Final = frozenset({"/api/v1/openapi"})
_COMPONENT: Final = "#/components/schemas/"


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
