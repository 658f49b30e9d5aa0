"""The function dies, or a call fails, at every call it makes to AWS or the gateway, on either side of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ecom_common.facts import Fact, received
from ecom_common.publisher import Publisher
from ecom_common.worker import Worker
from ecom_testkit import Crash, CrashingClient, context, sqs_event
from ecom_testkit.fakes import FakeQueues
from payment_service.gateway import OutcomeUnknown
from payment_service.handlers import Cashier
from payment_service.store import Payments

from .till import AMOUNT, FakeGateway, Till, outcome, shipment_failed, stock_confirmed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "Any")


class Bus:
    """An events client that checks each fact as it is published."""

    def __init__(self, till: Till) -> None:
        self._till = till

    def put_events(self, Entries: list[Any]) -> Any:  # noqa: N803 - boto3's name
        for entry in Entries:
            body = f'{{"source": "{entry["Source"]}", "detail-type": "{entry["DetailType"]}", '
            self._till.publish(received(body + f'"detail": {entry["Detail"]}}}'))
        return {"Entries": [{"EventId": "1"} for _ in Entries]}


class ByName:
    """The gateway, called with names as boto3 is, so that it can be made to crash."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway

    def charge(self, charge: Any) -> Any:
        return self._gateway.charge(charge=charge)

    def void(self, charge: Any) -> Any:
        return self._gateway.void(charge=charge)

    def refund(self, charge: Any, charge_id: str) -> Any:
        return self._gateway.refund(charge=charge, charge_id=charge_id)


class Shop:
    """The worker as Lambda runs it, on moto; it dies or fails at the `number`-th call in all."""

    def __init__(self, dynamodb: DynamoDBClient, till: Till) -> None:
        self._dynamodb = dynamodb
        self._till = till

    def deliver(
        self,
        fact: Fact,
        *,
        attempt: int = 1,
        number: int | None = None,
        effect: bool = False,
        error: BaseException | None = None,
    ) -> tuple[bool, list[str]]:
        """Returns whether the queue may forget the message, and the calls that were made."""
        calls: list[Any] = []

        def wrap(client: Any) -> Any:
            return CrashingClient(client, number, effect=effect, error=error, calls=calls)

        cashier = Cashier(
            Payments(wrap(self._dynamodb), "table"),
            ByName(wrap(self._till.gateway)),
            clock=self._till.gateway.clock,
        )
        worker = Worker(
            Publisher(wrap(Bus(self._till)), "bus", sleep=lambda _: None),
            FakeQueues(),
            one={"StockConfirmation": cashier.charge, "ShipmentFailed": cashier.undo},
            clock=self._till.gateway.clock,
        )
        try:
            answer = worker.run(sqs_event(fact, attempt=attempt), context())
        except Crash:
            return False, [call.name for call in calls]
        return not answer["batchItemFailures"], [call.name for call in calls]


DIES, NO_ANSWER = None, ReadTimeoutError(endpoint_url="aws")
CHARGES, UNDOS = ["charge", "decline"], ["undo of an intent", "undo of a charge", "tombstone"]


@pytest.mark.parametrize(
    ("story", "again", "error"),
    [
        *[(story, "failed first", DIES) for story in CHARGES + UNDOS],
        *[(story, "stock first", DIES) for story in ("charge", "undo of an intent", "tombstone")],
        *[(story, "stock only", error) for story in CHARGES for error in (DIES, THROTTLED)],
        *[(story, "failed first", error) for story in UNDOS for error in (NO_ANSWER,)],
    ],
)
def test_a_crash_anywhere_is_made_good_by_the_next_deliveries(
    dynamodb: DynamoDBClient, story: str, again: str, error: BaseException | None
) -> None:
    undone = again != "stock only"
    for number in itertools.count(1):
        died = 0
        for effect in (False, True):
            order = f"{story}-{number}-{effect}"
            stock, failed = stock_confirmed(order), shipment_failed(order)
            till = Till(Payments(dynamodb, "table"), FakeGateway(declines=story == "decline"))
            shop = Shop(dynamodb, till)
            if story == "undo of an intent":
                shop.deliver(stock, number=2, effect=effect, error=OutcomeUnknown("no answer"))
            elif story == "undo of a charge":
                shop.deliver(stock)
            first = stock if story in ("charge", "decline") else failed
            where = f"{story}: {'after' if effect else 'before'} call {number}"

            _, calls = shop.deliver(first, number=number, effect=effect, error=error)
            died += len(calls) >= number
            come = {
                "stock first": [stock, failed],
                "failed first": [failed, stock],
                "stock only": [stock],
            }[again]
            for fact in come:
                done, _ = shop.deliver(fact, attempt=2)
                assert done, where
            check(till, order, undone=undone, declined=story == "decline", where=where)
        if not died:
            break
    assert number > 2, "it never crashed"


def check(till: Till, order: str, *, undone: bool, declined: bool, where: str) -> None:
    state = (till.payments._rows.find(order) or {})["state"]
    taken, kept = till.gateway.taken(order), till.gateway.kept(order)
    said = [outcome(fact) for fact in till.published]
    assert len(taken) <= 1, where
    if declined:
        # Where the undo came before the decline was stored there was nothing left to ask the gateway for.
        assert (taken, kept) == ([], 0), where
        assert state in ("DECLINED", "VOIDED"), where
    elif undone:
        assert kept == 0, where
        assert state == ("REFUNDED" if taken else "VOIDED"), where
        assert said[-1] == ("refunded" if taken else "cancelled"), where
    else:
        assert (state, taken, kept, said[-1]) == ("CHARGED", [AMOUNT], AMOUNT, "charged"), where
    if "cancelled" in said:
        assert "charged" not in said, where


@pytest.mark.parametrize("name", ["PaymentConfirmation", "PaymentRefunded"])
def test_what_could_not_be_published_is_published_by_the_next_delivery(
    dynamodb: DynamoDBClient, name: str
) -> None:
    till = Till(Payments(dynamodb, "table"), FakeGateway())
    shop = Shop(dynamodb, till)
    fact = stock_confirmed()
    if name == "PaymentRefunded":
        shop.deliver(fact)
        fact = shipment_failed()
    published = len(till.published)
    _, calls = shop.deliver(fact)
    del till.published[published:]
    number = len(calls)

    # The row is settled, the bus is not to be had: three tries fail.
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "PutEvents")
    done, calls = shop.deliver(fact, number=2, error=denied)
    assert not done
    assert calls == ["put_item", "put_events"]
    assert number >= 2
    assert len(till.published) == published
    done, _ = shop.deliver(fact, attempt=2)
    assert done
    assert [each.detail_type for each in till.published[published:]] == [name]
