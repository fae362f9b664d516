"""``GET /api/openapi.json``: the API for other systems in OpenAPI's own words, whichever room it is
of."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from parcels import routes as parcels


def router(*described: APIRouter) -> APIRouter:
    """Of these routers; public, for whoever writes a client."""
    routes = [route for one in described for route in one.routes]
    told = get_openapi(title="Courier Desk", version="1", routes=routes)
    told["components"]["schemas"] |= parcels.row_schemas()
    public = APIRouter()

    @public.get("/api/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return told

    return public
