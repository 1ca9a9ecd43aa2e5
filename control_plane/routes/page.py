"""
`/`, `/assets/*` and `/page-config.json`: the call page.

Served as it lies on disk, without a template, so there is nothing to inject into. Everything that
differs from one installation to the next is in the small page-config.json.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from control_plane.pages import LIVEKIT_CLIENT, PageFile, find_page_file, is_known, page_headers
from shared.end_reasons import ENDINGS

_REVALIDATE: Final = "no-cache"  # keep it, but ask each time: a new release is seen at once

AcceptEncoding = Annotated[str, Header()]
IfNoneMatch = Annotated[str, Header()]


def page_router(
    web_root: Path, *, livekit_url: str, local: bool, sells: bool = False, phone: bool = False
) -> APIRouter:
    """
    The routes of the page under `web_root`.

    `livekit_url` is what browsers dial (ws or wss); `local` offers the log-in by e-mail alone,
    which exists only on the one-machine stack; `sells` shows the shop, `phone` the telephones.
    """
    router = APIRouter(include_in_schema=False)
    headers = page_headers(livekit_url)
    folders = {"": web_root / "assets", "vendor": web_root / "vendor"}

    @router.api_route("/", methods=["GET", "HEAD"])
    def page(accept_encoding: AcceptEncoding = "", if_none_match: IfNoneMatch = "") -> Response:
        complete = find_page_file(folders["vendor"], LIVEKIT_CLIENT) is not None
        file = find_page_file(web_root, "index.html" if complete else "incomplete.html")
        status = HTTPStatus.OK if complete else HTTPStatus.SERVICE_UNAVAILABLE
        return _answer(file, headers, accept_encoding, if_none_match, status=status)

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"])
    def asset(
        name: str, accept_encoding: AcceptEncoding = "", if_none_match: IfNoneMatch = ""
    ) -> Response:
        file = find_page_file(folders[""], name)
        return _answer(file, headers, accept_encoding, if_none_match)

    @router.api_route("/assets/vendor/{name}", methods=["GET", "HEAD"])
    def vendor(
        name: str, accept_encoding: AcceptEncoding = "", if_none_match: IfNoneMatch = ""
    ) -> Response:
        file = find_page_file(folders["vendor"], name)
        return _answer(file, headers, accept_encoding, if_none_match)

    @router.get("/page-config.json")
    def config() -> JSONResponse:
        endings = {reason.value: ending.words for reason, ending in ENDINGS.items()}
        return JSONResponse(
            {"local": local, "sells": sells, "phone": phone, "endings": endings},
            headers={**headers, "Cache-Control": _REVALIDATE},
        )

    return router


def _answer(
    file: PageFile | None,
    headers: dict[str, str],
    accept_encoding: str,
    if_none_match: str,
    *,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    """The file, `304` when the browser has it, or `404`; packed when the browser can unpack."""
    if file is None:
        return Response("Not found", HTTPStatus.NOT_FOUND, headers, media_type="text/plain")
    sent = {**headers, "ETag": file.etag, "Cache-Control": _REVALIDATE, "Vary": "Accept-Encoding"}
    if status == HTTPStatus.OK and is_known(file.etag, if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=sent)
    body = file.body
    if "gzip" in accept_encoding:
        body, sent["Content-Encoding"] = file.packed, "gzip"
    return Response(body, status, {**sent, "Content-Type": file.media_type})
