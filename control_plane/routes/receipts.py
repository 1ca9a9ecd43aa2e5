"""An account's receipts, and the public keys that prove them."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from starlette.responses import HTMLResponse, JSONResponse, Response

from billing import receipts
from billing.receipt_keys import ReceiptKeys
from billing.receipts import ReceiptsNotConfigured
from billing.store import receipts as store
from billing.store.receipts import Receipt
from control_plane.receipt_page import PAGE_HEADERS, receipt_page
from control_plane.routes.answers import PAGE_SIZE, Answer, PageNumber, PageSize, errors, page_count
from control_plane.services import CurrentServices, SignedIn
from shared.db import transaction

KEYS_PATH: Final = "/.well-known/receipt-keys.json"
KEYS_CACHE: Final = "public, max-age=300"  # a rotated key is known everywhere within 5 minutes
NOT_CONFIGURED_RETRY_S: Final = 300  # somebody has to set a key
# An account's money stays out of shared caches; the two forms have one address.
_PRIVATE: Final = {"Cache-Control": "private, no-store", "Vary": "Accept, Authorization"}

Format = Annotated[Literal["json", "html"] | None, Query()]
Accept = Annotated[str, Header()]


class SealedReceiptView(Answer):
    """`body` is the signed text, `receipt` the same for reading; check `body`, not `receipt`."""

    receipt: dict[str, Any]
    body: str
    hash: str
    signature: str
    key_id: str


class ReceiptLine(Answer):
    """A receipt in the list; `subject_id` is the call (or generation) it is for."""

    id: UUID
    sequence: int
    kind: str
    subject_id: UUID
    issued_at: datetime
    cost_microcredits: int
    hash: str
    previous_hash: str


class ReceiptPage(Answer):
    data: list[ReceiptLine]
    page: int
    page_size: int
    total_count: int
    total_pages: int


def receipts_router(keys: ReceiptKeys) -> APIRouter:
    """The routes of receipts; the first of `keys` signs what was not signed before."""
    router = APIRouter(tags=["receipts"])

    @router.get(KEYS_PATH, response_model=dict[str, Any])
    async def get_receipt_keys() -> JSONResponse:
        """The public keys of all receipts, as a JSON Web Key Set."""
        return JSONResponse(keys.key_set(), headers={"Cache-Control": KEYS_CACHE})

    @router.get(
        "/api/calls/{call_id}/receipt",
        response_model=SealedReceiptView,
        responses={**errors(400, 401, 404, 409, 503), 200: {"content": {"text/html": {}}}},
    )
    async def get_call_receipt(
        call_id: UUID,
        services: CurrentServices,
        user_id: SignedIn,
        accept: Accept = "",
        format: Format = None,  # noqa: A002 - the name in the address
    ) -> Response:
        """The signed receipt of an ended call; as a page when the browser asks for one."""
        as_page = format == "html" or (format is None and _prefers_html(accept))
        async with transaction(services.pool) as tx:
            receipt = await receipts.receipt_of_call(tx, call_id=call_id, owner=user_id)
            receipt = await receipts.signed(tx, receipt, keys.signer)
        return _page(receipt) if as_page else _sealed(receipt)

    @router.get("/api/receipts", responses=errors(400, 401, 503))
    async def list_receipts(
        services: CurrentServices,
        user_id: SignedIn,
        page: PageNumber = 1,
        page_size: PageSize = PAGE_SIZE,
    ) -> ReceiptPage:
        """The account's receipts, newest first."""
        offset = (page - 1) * page_size
        async with transaction(services.pool) as tx:
            total = await store.count(tx, user_id)
            found = await store.page(tx, owner=user_id, limit=page_size, offset=offset)
        return ReceiptPage(
            data=[ReceiptLine(**asdict(receipt)) for receipt in found],
            page=page,
            page_size=page_size,
            total_count=total,
            total_pages=page_count(total, page_size),
        )

    return router


def _prefers_html(accept: str) -> bool:
    """True when a page is the first thing asked for, as browsers do when they open an address."""
    first = accept.split(",", 1)[0]
    return first.split(";", 1)[0].strip().lower() == "text/html"


def _page(receipt: Receipt) -> Response:
    text = receipt_page(receipt, json.loads(receipt.body))
    return HTMLResponse(text, headers={**_PRIVATE, **PAGE_HEADERS})


def _sealed(receipt: Receipt) -> Response:
    """Raises ReceiptsNotConfigured for a receipt without a signature."""
    if receipt.signature is None or receipt.key_id is None:
        raise ReceiptsNotConfigured(retry_after_s=NOT_CONFIGURED_RETRY_S)
    view = SealedReceiptView(
        receipt=json.loads(receipt.body),
        body=receipt.body,
        hash=receipt.hash,
        signature=receipt.signature,
        key_id=receipt.key_id,
    )
    return JSONResponse(view.model_dump(by_alias=True), headers=_PRIVATE)
