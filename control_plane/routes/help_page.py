"""GET /help: the public page for people in a crisis. Nothing they send is an error."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from starlette.responses import HTMLResponse

from control_plane.characters import texts
from control_plane.http_errors import DATABASE_AWAY, is_database_away
from control_plane.pages import etag_of, is_known, page_headers
from control_plane.safety.disclosures import DISCLOSURES
from control_plane.safety.help_page import HelpFacts, help_page
from control_plane.safety.referrals import LINES, shipped_referral
from control_plane.services import CurrentServices, Services
from control_plane.speech.recent import Recent
from shared.clock import Clock
from shared.db import transaction
from shared.languages import DEFAULT_LANGUAGE, LANGUAGES

KEEP_S: Final = 60  # in browsers, and in our own memory: nobody keeps the database busy with it
NOT_MODIFIED: Final = 304


def help_router(clock: Clock) -> APIRouter:
    """The route of the page, with the pages it has made a moment ago, by language and country."""
    router = APIRouter(include_in_schema=False)
    made: Recent[tuple[str, str | None], str] = Recent(clock, believed_s=KEEP_S)

    @router.api_route("/help", methods=["GET", "HEAD"])
    async def get_help_page(
        services: CurrentServices,
        language: str = "",
        country: str = "",
        accept_language: Annotated[str, Header()] = "",
        if_none_match: Annotated[str, Header()] = "",
    ) -> Response:
        """In the language asked for, else the browser's; the country asked for first, else ours."""
        if language not in LANGUAGES:
            language = _spoken_by_browser(accept_language)
        chosen = country if country in LINES else services.settings.safety_country
        body = made.get((language, chosen))
        if body is None:
            began = clock.monotonic()
            body = help_page(await _facts(services, language, chosen))
            made.put((language, chosen), body, asked_at=began)
        return _answer(body, page_headers(services.settings.browser_url), if_none_match)

    return router


def _answer(body: str, headers: dict[str, str], if_none_match: str) -> Response:
    tag = etag_of(body.encode())
    sent = {
        **headers,
        "Cache-Control": f"public, max-age={KEEP_S}",
        "ETag": tag,
        "Vary": "Accept-Language",
    }
    if is_known(tag, if_none_match):
        return Response(status_code=NOT_MODIFIED, headers=sent)
    return HTMLResponse(body, headers=sent)


async def _facts(services: Services, language: str, country: str | None) -> HelpFacts:
    """The operator's words; while the database is away, those we ship."""
    try:
        async with transaction(services.pool) as tx:
            referral = await texts.referral_in(tx, language, country=country)
            disclosure = await texts.disclosure_in(tx, language)
    except DATABASE_AWAY as error:
        if not is_database_away(error):
            raise
        referral, disclosure = shipped_referral(language, country), DISCLOSURES[language]
    return HelpFacts(language, country, referral, disclosure)


def _spoken_by_browser(accept_language: str) -> str:
    """The first language of the header that we have; browsers send them in order."""
    for wish in accept_language.split(","):
        code = wish.partition(";")[0].partition("-")[0].strip().lower()
        if code in LANGUAGES:
            return code
        if code in ("nb", "nn"):
            return "no"
    return DEFAULT_LANGUAGE
