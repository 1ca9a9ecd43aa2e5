"""The application with a schema that tells the truth about its errors."""

from typing import Any

from fastapi import FastAPI


class WebApplication(FastAPI):
    """FastAPI promises 422 for wrong parameters; ours answer 400 (see `http_errors.py`)."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(unused, None)
        return schema
