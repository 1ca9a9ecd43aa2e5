"""The application with a schema that tells the truth about its errors."""

from typing import Any, Final

from fastapi import FastAPI

_FRAMEWORK_ERRORS: Final = ("HTTPValidationError", "ValidationError")


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
