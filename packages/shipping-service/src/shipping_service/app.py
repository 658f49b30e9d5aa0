"""The Lambda entry points of shipping: build the parts once per sandbox, hand batches on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecom_common.clients import client
from ecom_common.publisher import Publisher
from ecom_common.queues import Queues
from ecom_common.settings import Settings
from ecom_common.worker import Worker
from shipping_service import events
from shipping_service.carrier import FALLBACK, PRIMARY, SimulatedCarrier
from shipping_service.handlers import Dispatch
from shipping_service.store import Shipments

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True)
class ShippingSettings(Settings):
    """Settings of both shipping functions."""

    carrier_failure_rate_percent: int
    carrier_latency_ms: int


settings = ShippingSettings.from_env()
primary, fallback = (
    SimulatedCarrier(name, settings.carrier_failure_rate_percent, settings.carrier_latency_ms)
    for name in (PRIMARY, FALLBACK)
)
shipments = Shipments(client("dynamodb"), settings.table_name)
publisher = Publisher(client("events"), settings.event_bus_name)
queues = Queues(client("sqs"), settings.parking_queue_url, settings.retry_base_seconds)


def _worker(dispatch: Dispatch) -> Worker:
    return Worker(
        publisher,
        queues,
        one={
            events.PAYMENT_CONFIRMATION: dispatch.ship,
            events.ORDER_CANCEL_REQUESTED: dispatch.cancel,
        },
    )


shipping = _worker(Dispatch(shipments, primary, [fallback]))
rescue = _worker(Dispatch(shipments, fallback, [primary], rescue=True))


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """ShippingQueue: the primary carrier."""
    return shipping.run(event, context)


def dlq_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """ShippingDLQ: what the primary carrier could not ship goes to the fallback carrier."""
    return rescue.run(event, context)
