"""The Lambda entry point of payment: builds the parts once per sandbox, hands batches on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecom_common.clients import client
from ecom_common.publisher import Publisher
from ecom_common.queues import Queues
from ecom_common.settings import Settings
from ecom_common.worker import Worker
from payment_service import events
from payment_service.gateway import SimulatedGateway
from payment_service.handlers import Cashier
from payment_service.store import Payments

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True)
class PaymentSettings(Settings):
    """Settings of the payment function."""

    decline_rate_percent: int
    gateway_latency_ms: int


settings = PaymentSettings.from_env()
cashier = Cashier(
    Payments(client("dynamodb"), settings.table_name),
    SimulatedGateway(settings.decline_rate_percent, settings.gateway_latency_ms),
)
worker = Worker(
    Publisher(client("events"), settings.event_bus_name),
    Queues(client("sqs"), settings.parking_queue_url, settings.retry_base_seconds),
    one={events.STOCK_CONFIRMATION: cashier.charge, events.SHIPMENT_FAILED: cashier.undo},
)


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """PaymentQueue."""
    return worker.run(event, context)
