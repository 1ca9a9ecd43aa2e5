"""POST /api/estimate-credits: what a text would cost, by the price book and without a provider."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from billing import price_book
from billing.money import to_credits
from billing.price_book import cost_of, plan_of
from control_plane.openapi import body_of
from control_plane.routes.answers import errors
from control_plane.routes.generate_voice import voice_id_of
from control_plane.routes.json_body import read_json
from control_plane.services import CurrentServices, SignedIn
from control_plane.speech import measure
from control_plane.speech.checks import check_text, checked_style
from control_plane.speech.recipe import model_for
from control_plane.store import speech_voices
from control_plane.tts.catalog import styled_text
from shared.db import transaction
from shared.errors import Unauthenticated

router = APIRouter(tags=["speech"])


class EstimateRequest(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    text: str | None = None
    voiceId: str | None = None  # noqa: N815 - upstream's name
    styleVariant: str | None = None  # noqa: N815 - upstream's name


class CreditEstimate(BaseModel):
    """
    Exact where characters are billed. `tokens` where those are: a guess, and what is
    used is billed.
    """

    estimatedCredits: int | float  # noqa: N815 - upstream's name
    tokens: int | None = None


@router.post(
    "/api/estimate-credits",
    openapi_extra=body_of(EstimateRequest),
    response_model_exclude_none=True,
    responses=errors(400, 401, 404, 413, 503),
)
async def estimate_credits(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> CreditEstimate:
    """Estimate a generation with any voice the account may use."""
    wanted = await read_json(request, EstimateRequest, required=("text", "voiceId"))
    text = wanted.text or ""
    async with transaction(services.pool) as tx:
        speaker = await speech_voices.find(tx, voice_id=voice_id_of(wanted.voiceId), owner=user_id)
        if speaker is None:
            raise Unauthenticated
        model = model_for(speaker.voice)
        is_paid = speaker.standing.is_paid
        longer = speaker.standing.longer_texts
        check_text(model, text, is_paid=longer)
        style = checked_style(model, wanted.styleVariant, is_paid=longer)
        priced = await price_book.rate_in_force(
            tx,
            product="clone" if model.is_clone else "speech",
            model=model.id,
            plan=plan_of(paid=is_paid),
            channel="web",
        )
    unit = priced.rate.unit
    quantity = measure.expected(unit, styled_text(model, text, style))
    return CreditEstimate(
        estimatedCredits=to_credits(cost_of(priced.rate, quantity)),
        tokens=quantity if unit == "token" else None,
    )
