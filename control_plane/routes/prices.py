"""GET /api/prices and POST /api/prices/estimate: the price list, open to everybody."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from billing import price_book
from billing.money import to_credits
from billing.price_book import MODEL_PATTERN, QUANTITY_MAX
from billing.pricing import characters_of
from billing.store.prices import Rate
from control_plane.http_errors import parse_json
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices
from shared.db import transaction
from shared.errors import Invalid

router = APIRouter(tags=["prices"])

Quantity = Annotated[int, Field(ge=1, le=QUANTITY_MAX)]


class RateView(Answer):
    """`credits` buy `per` units, and `minimum` is charged at least; "*" stands for all."""

    product: str
    model: str
    plan: str
    channel: str
    unit: str
    credits: int | float
    per: int
    minimum: int | float


class Prices(Answer):
    version: int
    effective_from: datetime
    rates: list[RateView]


class EstimateRequest(BaseModel):
    """Exactly one measure; a text counts as its characters."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    product: Literal["call", "speech", "clone"]
    model: Annotated[str, Field(pattern=rf"^(\*|{MODEL_PATTERN})$")] = "*"
    plan: Literal["free", "paid"] = "free"
    channel: Literal["web", "api"] = "web"
    text: str | None = None
    characters: Quantity | None = None
    seconds: Quantity | None = None
    tokens: Quantity | None = None
    operations: Quantity | None = None

    def measure(self) -> tuple[str, int]:
        """The unit and how many of it. Raises Invalid unless there is one measure."""
        given = {
            "character": self.characters,
            "second": self.seconds,
            "token": self.tokens,
            "operation": self.operations,
            "text": None if self.text is None else characters_of(self.text),
        }
        measures = [(unit, count) for unit, count in given.items() if count is not None]
        if len(measures) != 1:
            raise Invalid("Send one of text, characters, seconds, tokens, operations")
        [(unit, count)] = measures
        if count == 0:
            raise Invalid("The text is empty")
        return ("character" if unit == "text" else unit), count


class EstimateAnswer(Answer):
    credits: int | float
    microcredits: int
    version: int
    explanation: str


@router.get("/api/prices", responses=errors(503))
async def get_prices(services: CurrentServices) -> Prices:
    """The prices in force now."""
    async with transaction(services.pool) as tx:
        card, rates = await price_book.card_in_force(tx)
    return Prices(
        version=card.version,
        effective_from=card.effective_from,
        rates=[_view(rate) for rate in rates],
    )


@router.post(
    "/api/prices/estimate", openapi_extra=body_of(EstimateRequest), responses=errors(400, 413, 503)
)
async def estimate(request: Request, services: CurrentServices) -> EstimateAnswer:
    """What something would cost if it started now."""
    wanted = parse_json(EstimateRequest, await request.body())
    unit, quantity = wanted.measure()
    async with transaction(services.pool) as tx:
        estimated = await price_book.estimate(
            tx,
            product=wanted.product,
            model=wanted.model,
            plan=wanted.plan,
            channel=wanted.channel,
            unit=unit,
            quantity=quantity,
        )
    return EstimateAnswer(
        credits=to_credits(estimated.cost),
        microcredits=estimated.cost,
        version=estimated.version,
        explanation=estimated.explanation,
    )


def _view(rate: Rate) -> RateView:
    return RateView(
        product=rate.product,
        model=rate.model,
        plan=rate.plan,
        channel=rate.channel,
        unit=rate.unit,
        credits=to_credits(rate.price_microcredits),
        per=rate.per_units,
        minimum=to_credits(rate.minimum_microcredits),
    )
