"""/healthz, /readyz and /metrics, for operators."""

from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from control_plane.probes import probe_all, probe_books
from control_plane.services import CurrentServices

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, Any]:
    """The process answers; says nothing about what it depends on."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: CurrentServices) -> JSONResponse:
    """
    200 while there is a database, for without it there is nothing to answer with.

    Everything else may be away: running calls go on, and the answers say what is missing.
    """
    found = await probe_all(services)
    if found["postgres"]["status"] != "ok":
        return JSONResponse({"status": "down", "dependencies": found}, status_code=503)
    all_well = all(state["status"] in {"ok", "off"} for state in found.values())
    return JSONResponse({"status": "ok" if all_well else "degraded", "dependencies": found})


@router.get("/metrics")
async def metrics_text(services: CurrentServices) -> Response:
    """Prometheus text; no label names a person or a call. Without a database, older gauges."""
    await probe_books(services)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
