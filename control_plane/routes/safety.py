"""/api/age, /api/reports, /api/help: the caller's own safety."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from control_plane.call_request import CallLanguage
from control_plane.characters import texts
from control_plane.http_errors import parse_json
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.safety import ages, reports
from control_plane.safety.ages import Age
from control_plane.safety.referrals import LINES
from control_plane.safety.reports import ReportWish
from control_plane.safety.running import end_calls_outside_minors_mode
from control_plane.services import CurrentServices, SignedIn
from shared import metrics
from shared.db import transaction
from shared.languages import DEFAULT_LANGUAGE

router = APIRouter(tags=["safety"])

CREATED = 201


class AgeStatement(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore", frozen=True)

    is_adult: bool


class AgeView(Answer):
    """`isAdult` None: not said yet. False is minors' mode. `isNeeded`: before any call."""

    is_adult: bool | None
    is_needed: bool


class Reported(Answer):
    id: UUID


class Help(Answer):
    """`lines`: numbers by country, as far as we know them."""

    message: str
    disclosure: str
    lines: dict[str, str]


@router.get("/api/age", responses=errors(401, 503))
async def get_age(services: CurrentServices, user_id: SignedIn) -> AgeView:
    """What counts as the account's age."""
    async with transaction(services.pool) as tx:
        return _view(services, await ages.age_of(tx, user_id))


@router.post(
    "/api/age",
    openapi_extra=body_of(AgeStatement),
    responses=errors(400, 401, 403, 413, 503),
)
async def state_age(request: Request, services: CurrentServices, user_id: SignedIn) -> AgeView:
    """Say that one is an adult, or not: that ends a running call, and only staff undoes it."""
    said = parse_json(AgeStatement, await request.body())
    async with transaction(services.pool) as tx:
        age = await ages.state_age(tx, user_id, is_adult=said.is_adult)
    if age.is_minor:
        await end_calls_outside_minors_mode(services, user_id)
    return _view(services, age)


def _view(services: CurrentServices, age: Age) -> AgeView:
    is_needed = services.settings.safety_minors == "refused"
    return AgeView(is_adult=age.is_adult, is_needed=is_needed)


@router.post(
    "/api/reports",
    status_code=CREATED,
    openapi_extra=body_of(ReportWish),
    responses=errors(400, 401, 404, 409, 413, 429, 503),
    dependencies=[limited("call_token")],
)
async def report(request: Request, services: CurrentServices, user_id: SignedIn) -> Reported:
    """The report button: somebody of the staff reads it."""
    wish = parse_json(ReportWish, await request.body())
    async with transaction(services.pool) as tx:
        report_id = await reports.file_report(tx, wish, owner=user_id)
    metrics.REPORTS_FILED.labels(wish.category).inc()
    return Reported(id=report_id)


@router.get("/api/help", responses=errors(400, 429, 503), dependencies=[limited("anonymous")])
async def get_help(services: CurrentServices, language: CallLanguage = DEFAULT_LANGUAGE) -> Help:
    """What the page /help says, for a client with pages of its own. For everybody."""
    country = services.settings.safety_country
    async with transaction(services.pool) as tx:
        message = await texts.referral_in(tx, language, country=country)
        disclosure = await texts.disclosure_in(tx, language)
    return Help(message=message, disclosure=disclosure, lines=LINES)
