"""The Lambda entry point of inventory: builds the parts once per sandbox, hands batches on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecom_common.clients import client
from ecom_common.publisher import Publisher
from ecom_common.queues import Queues
from ecom_common.settings import Settings
from ecom_common.worker import Worker
from inventory_service import events
from inventory_service.handlers import Inventory
from inventory_service.store import Stock

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

settings = Settings.from_env()
inventory = Inventory(Stock(client("dynamodb"), settings.table_name))
worker = Worker(
    Publisher(client("events"), settings.event_bus_name),
    Queues(client("sqs"), settings.parking_queue_url, settings.retry_base_seconds),
    group={events.ORDER_PLACED: inventory.reserve},
    one={
        events.PAYMENT_CONFIRMATION: inventory.release,
        events.PAYMENT_REFUNDED: inventory.release,
    },
)


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """InventoryQueue and InventoryCompensationQueue."""
    return worker.run(event, context)
