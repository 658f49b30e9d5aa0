"""The Lambda entry point of orders: builds the parts once per sandbox, tells its three inputs apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from ecom_common.clients import client
from ecom_common.publisher import Publisher
from ecom_common.sealing import Seal
from ecom_common.settings import Settings
from ecom_common.telemetry import begin
from order_service import events, http
from order_service.handlers import Api, Lifecycle
from order_service.model import Limits
from order_service.store import Orders
from order_service.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from ecom_common.worker import Worker


@dataclass(frozen=True)
class OrderSettings(Settings):
    """What the order function is told beside what all are."""

    resend_after_seconds: int
    cancel_after_seconds: int
    open_too_long_seconds: int

    @property
    def limits(self) -> Limits:
        return Limits(
            resend_after=timedelta(seconds=self.resend_after_seconds),
            cancel_after=timedelta(seconds=self.cancel_after_seconds),
            open_too_long=timedelta(seconds=self.open_too_long_seconds),
        )


settings = OrderSettings.from_env()
orders = Orders(client("dynamodb"), settings.table_name)
# A customer is waiting, and API Gateway waits 29 s: what one call cannot publish is left to the sweeper.
api = Api(
    orders,
    Publisher(client("events"), settings.event_bus_name, tries=1),
    Seal(lambda: client("kms"), settings.kms_key_arn, settings.stage),
    settings.limits,
)
sweeper = Sweeper(orders, Publisher(client("events"), settings.event_bus_name), settings.limits)
routes = api.routes()


@cache
def worker() -> Worker:
    """Made when the queue first calls: a customer's request does not pay for importing batch processing."""
    from ecom_common.queues import Queues
    from ecom_common.worker import Worker

    lifecycle = Lifecycle(orders)
    return Worker(
        Publisher(client("events"), settings.event_bus_name),
        Queues(client("sqs"), settings.parking_queue_url, settings.retry_base_seconds),
        one=dict.fromkeys(events.NOTES, lifecycle.follow),
    )


def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """OrderApi, OrderLifecycleQueue and the sweeper's schedule."""
    if "httpMethod" in event and "resource" in event:
        # Not requestId, which a client may choose: nothing that was sent gets into a log.
        begin(context, (event.get("requestContext") or {}).get("extendedRequestId"))
        return http.respond(event, routes, settings.stage)
    if "Records" in event:
        return worker().run(event, context)
    if event.get("sweep") is True:
        begin(context)
        return sweeper.run(context.get_remaining_time_in_millis)
    raise ValueError("neither a request nor a batch of messages nor a sweep")
