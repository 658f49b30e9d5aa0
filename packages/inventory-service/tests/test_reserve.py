"""OrderPlaced: all of a batch together, each order on its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ecom_common.errors import Poison, Retry
from ecom_common.facts import Fact
from ecom_testkit import CrashingClient
from ecom_testkit.telemetry import counted
from inventory_service import model
from inventory_service.store import TRIES

CONFLICT = "TransactionConflict"
THROTTLED = "ThrottlingError"


def calls(client: Any, name: str) -> int:
    return [call.name for call in client.calls].count(name)


def cancelled(*codes: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "…"},
        "CancellationReasons": [{"Code": code} for code in codes],
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(response, "TransactWriteItems")


class Contended(CrashingClient):
    """Cancels the first `times` transactions, with one code for every action that `touches` says yes to."""

    def __init__(
        self, client: Any, code: str, times: int = 10**6, touches: Callable[[str], bool] = lambda pk: True
    ) -> None:
        super().__init__(client)
        self._code = code
        self._times = times
        self._touches = touches

    def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803 - as boto3 has it
        keys = [
            (action.get("Put") or action["Update"]).get("Key", action.get("Put", {}).get("Item"))["pk"]["S"]
            for action in TransactItems
        ]
        codes = [self._code if self._touches(key) else "None" for key in keys]
        if self._times > 0 and self._code in codes:
            self._times -= 1
            raise cancelled(*codes)
        return super().__getattr__("transact_write_items")(TransactItems=TransactItems)


class TestGroups:
    def test_a_whole_batch_is_one_transaction(self, shop: Any) -> None:
        shop.stocks(mug=50, lamp=50)
        client = CrashingClient(shop.dynamodb)
        orders = [shop.placed(f"order-{n}", mug=1, lamp=2) for n in range(25)]
        assert shop.reserve(*orders, dynamodb=client) == [True] * 25
        assert [call.name for call in client.calls] == ["batch_get_item", "transact_write_items"]
        [_, transaction] = client.calls
        assert len(transaction.arguments["TransactItems"]) == 25 + 2, "one update for each item"
        assert (shop.on_hand("mug"), shop.on_hand("lamp")) == (25, 0)
        assert counted() == {"ReservationGroups": 1, "ReservationGroupSize": 25, "StockReserved": 25}

    def test_more_than_a_transaction_takes_is_cut(self, shop: Any) -> None:
        one, other = ({f"{name}-{n}": 1 for n in range(50)} for name in ("one", "other"))
        shop.stocks(**dict.fromkeys(one | other, 10))

        class Accepting(CrashingClient):
            sizes: ClassVar[list[int]] = []

            def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803 - as boto3 has it
                self.sizes.append(len(TransactItems))

        client = Accepting(shop.dynamodb)
        orders = [shop.placed(f"order-{n}", **lines) for n, lines in enumerate([one, one, one, other, other])]
        assert shop.reserve(*orders, dynamodb=client) == [True] * 5
        assert client.sizes == [3 + 50, 2 + 50], "orders with nothing in common do not fit together"

    def test_more_items_than_one_read_takes(self, shop: Any) -> None:
        shop.stocks(**{f"item-{n}": 5 for n in range(120)})
        orders = [
            shop.placed(str(start), **{f"item-{n}": 1 for n in range(start, start + 40)})
            for start in (0, 40, 80)
        ]
        assert shop.reserve(*orders) == [True] * 3
        assert shop.conserved()

    def test_poison_is_told_apart_and_holds_up_nobody(self, shop: Any) -> None:
        shop.stocks(mug=5)
        good, bad = shop.placed("1", mug=1), shop.placed("2", mug=0)
        results = shop.results(bad, good)
        assert isinstance(results[0], Poison)
        assert results[1][0].data["stockConfirmed"] is True
        assert shop.state("2") == "∅"

    def test_two_facts_of_one_order_reserve_once(self, shop: Any) -> None:
        shop.stocks(mug=5)
        first = shop.placed("1", mug=2)
        second = Fact(
            first.source, first.detail_type, first.data, event_id="another", occurred_at=first.occurred_at
        )
        assert shop.reserve(first, second) == [True, True]
        assert shop.on_hand("mug") == 3


class TestDuplicates:
    def test_a_duplicate_is_answered_with_the_stored_outcome(self, shop: Any) -> None:
        shop.stocks(mug=5)
        [first] = shop.results(shop.placed("1", mug=2))
        shop.now += timedelta(minutes=5)
        [second] = shop.results(shop.placed("1", mug=2))
        assert second == first
        assert shop.on_hand("mug") == 3

    def test_duplicates_beside_new_orders(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.reserve(shop.placed("1", mug=1), shop.placed("3", mug=9))
        orders = [shop.placed("1", mug=1), shop.placed("2", mug=1), shop.placed("3", mug=9)]
        assert shop.reserve(*orders) == [True, True, "out_of_stock"]
        assert shop.on_hand("mug") == 3

    def test_standing_comes_before_shortage(self, shop: Any) -> None:
        """The duplicate took the last ones itself: it is not short of them now."""
        shop.stocks(mug=2)
        order = shop.placed("1", mug=2)
        assert shop.reserve(order) == [True]
        assert shop.on_hand("mug") == 0
        assert shop.reserve(order) == [True]
        assert shop.reserve(shop.placed("2", mug=1), order) == ["out_of_stock", True]
        assert shop.state("1") == "RESERVED"

    def test_standing_comes_before_a_new_price(self, shop: Any) -> None:
        shop.stocks(mug=5)
        order = shop.placed("1", mug=2)
        assert shop.reserve(order) == [True]
        shop.set_price("mug", 1)
        assert shop.reserve(order) == [True], "what was agreed stays agreed"

    def test_a_rejection_is_final_even_when_stock_has_come(self, shop: Any) -> None:
        shop.stocks(mug=1)
        [first] = shop.results(shop.placed("1", mug=2))
        shop.stocks(mug=10)
        assert shop.results(shop.placed("1", mug=2)) == [first]
        assert first[0].data["reason"] == "out_of_stock"


class TestShortage:
    def test_only_the_order_that_is_short_is_refused(self, shop: Any) -> None:
        shop.stocks(mug=5, lamp=50)
        orders = [shop.placed(str(n), mug=1, lamp=1) for n in range(4)]
        orders.insert(2, shop.placed("greedy", mug=9, lamp=1))
        assert shop.reserve(*orders) == [True, True, "out_of_stock", True, True]
        assert (shop.on_hand("mug"), shop.on_hand("lamp")) == (1, 46)
        assert shop.conserved()

    def test_scarce_stock_is_given_out_to_the_last_one(self, shop: Any) -> None:
        shop.stocks(mug=7)
        told = shop.reserve(*(shop.placed(str(n), mug=1) for n in range(25)))
        assert told.count(True) == 7
        assert told.count("out_of_stock") == 18
        assert shop.on_hand("mug") == 0
        assert shop.conserved()

    def test_who_wants_nothing_scarce_costs_no_search(self, shop: Any) -> None:
        """All; the nine others; the one refusal. Halving all ten would take four more."""
        shop.stocks(mug=50, lamp=0)
        client = CrashingClient(shop.dynamodb)
        orders = [shop.placed(str(n), mug=1) for n in range(9)]
        orders.insert(4, shop.placed("short", mug=1, lamp=1))
        told = shop.reserve(*orders, dynamodb=client)
        assert told == [True] * 4 + ["out_of_stock"] + [True] * 5
        assert calls(client, "transact_write_items") == 3

    def test_of_several_lines_nothing_leaks(self, shop: Any) -> None:
        shop.stocks(mug=5, lamp=0, pen=5)
        assert shop.reserve(shop.placed("1", mug=1, lamp=1, pen=1)) == ["out_of_stock"]
        assert (shop.on_hand("mug"), shop.on_hand("pen")) == (5, 5)
        assert shop.state("1") == "REJECTED"
        assert shop.conserved()

    def test_an_item_without_a_quantity_is_out_of_stock(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.dynamodb.update_item(
            TableName="table", Key={"pk": {"S": "ITEM#mug"}}, UpdateExpression="REMOVE quantity"
        )
        assert shop.reserve(shop.placed("1", mug=1)) == ["out_of_stock"]


class TestCatalogue:
    def test_refused_by_the_catalogue_beside_others(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.stocks("EUR", wine=5)
        orders = [
            shop.placed("1", mug=1),
            shop.placed("2", hat=1),
            shop.placed("3", 1, mug=1),
            shop.placed("4", mug=1, currency="EUR"),
            shop.placed("5", wine=1, currency="EUR"),
        ]
        assert shop.reserve(*orders) == [True, "unknown_item", "amount_mismatch", "currency_mismatch", True]
        refused = {name for name in counted() if name.startswith("StockRejected")}
        assert refused == {
            f"StockRejected{why}" for why in ("UnknownItem", "AmountMismatch", "CurrencyMismatch")
        }
        assert (shop.on_hand("mug"), shop.on_hand("wine")) == (4, 4)
        assert [shop.state(str(n)) for n in range(1, 6)] == [
            "RESERVED", "REJECTED", "REJECTED", "REJECTED", "RESERVED",
        ]  # fmt: skip

    def test_a_price_that_changes_before_the_write_is_tried_again_and_not_refused(self, shop: Any) -> None:
        shop.stocks(mug=5, lamp=5)
        client = shop.meanwhile("transact_write_items", lambda: shop.set_price("mug", 1300))
        orders = [shop.placed("1", mug=1), shop.placed("2", lamp=1), shop.placed("3", mug=1, lamp=1)]
        first, second, third = shop.results(*orders, dynamodb=client)
        assert isinstance(first, Retry)
        assert isinstance(third, Retry)
        assert second[0].data["stockConfirmed"] is True, "who bought nothing repriced is served"
        assert (shop.state("1"), shop.on_hand("mug"), shop.on_hand("lamp")) == ("∅", 5, 4)
        assert shop.reserve(*orders) == ["amount_mismatch", True, "amount_mismatch"]
        assert shop.conserved()

    @pytest.mark.parametrize("attribute", ["price", "currency"])
    def test_an_item_that_leaves_the_catalogue_before_the_write(self, shop: Any, attribute: str) -> None:
        shop.stocks(mug=5)

        def leave() -> None:
            shop.dynamodb.update_item(
                TableName="table", Key={"pk": {"S": "ITEM#mug"}}, UpdateExpression=f"REMOVE {attribute}"
            )

        order = shop.placed("1", mug=1)
        [result] = shop.results(order, dynamodb=shop.meanwhile("transact_write_items", leave))
        assert isinstance(result, Retry)
        assert shop.reserve(order) == ["unknown_item"]

    def test_an_item_deleted_before_the_write(self, shop: Any) -> None:
        shop.stocks(mug=5)

        def leave() -> None:
            shop.dynamodb.delete_item(TableName="table", Key={"pk": {"S": "ITEM#mug"}})

        [result] = shop.results(
            shop.placed("1", mug=1), dynamodb=shop.meanwhile("transact_write_items", leave)
        )
        assert isinstance(result, Retry)

    def test_prices_are_read_consistently(self, shop: Any) -> None:
        shop.stocks(mug=5)
        client = CrashingClient(shop.dynamodb)
        shop.reserve(shop.placed("1", mug=1), dynamodb=client)
        assert client.calls[0].arguments["RequestItems"]["table"]["ConsistentRead"] is True

    def test_items_left_unread_are_asked_for_again(self, shop: Any) -> None:
        """An item that was only not read must not become an unknown item."""
        shop.stocks(mug=5, lamp=5)

        class Partial(CrashingClient):
            def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - as boto3 has it
                self.calls.append(("batch_get_item", RequestItems))  # type: ignore[arg-type]
                keys = RequestItems["table"]["Keys"]
                first = {"table": RequestItems["table"] | {"Keys": keys[:1]}}
                answer = shop.dynamodb.batch_get_item(RequestItems=first)
                if keys[1:]:
                    answer["UnprocessedKeys"] = {"table": RequestItems["table"] | {"Keys": keys[1:]}}
                return answer

        client = Partial(shop.dynamodb)
        assert shop.reserve(shop.placed("1", mug=1, lamp=1), dynamodb=client) == [True]

    def test_a_catalogue_that_cannot_be_read_in_full_is_tried_again(self, shop: Any) -> None:
        shop.stocks(mug=5)

        class Busy(CrashingClient):
            def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - as boto3 has it
                return {"Responses": {}, "UnprocessedKeys": RequestItems}

        with pytest.raises(Retry):
            shop.results(shop.placed("1", mug=1), dynamodb=Busy(shop.dynamodb))
        assert shop.state("1") == "∅"


class TestContention:
    @pytest.mark.parametrize("code", [CONFLICT, THROTTLED, "ProvisionedThroughputExceeded"])
    def test_contention_passes(self, shop: Any, code: str) -> None:
        shop.stocks(mug=5)
        client = Contended(shop.dynamodb, code, times=TRIES - 1)
        assert shop.reserve(shop.placed("1", mug=1), dynamodb=client) == [True]
        assert shop.on_hand("mug") == 4

    @pytest.mark.parametrize("code", [CONFLICT, THROTTLED, "ProvisionedThroughputExceeded"])
    def test_contention_that_lasts_is_never_a_rejection(self, shop: Any, code: str) -> None:
        shop.stocks(mug=5)
        client = Contended(shop.dynamodb, code)
        results = shop.results(shop.placed("1", mug=1), shop.placed("2", mug=1), dynamodb=client)
        assert [type(result) for result in results] == [Retry, Retry]
        assert (shop.state("1"), shop.state("2"), shop.on_hand("mug")) == ("∅", "∅", 5)

    def test_a_conflict_beside_a_shortage_is_no_shortage(self, shop: Any) -> None:
        """DynamoDB says of one item that it is short and of another that it is busy: ask again."""
        shop.stocks(mug=0, lamp=5)

        class Mixed(CrashingClient):
            times = 1

            def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803
                if self.times:
                    self.times -= 1
                    raise cancelled("None", "ConditionalCheckFailed", CONFLICT)
                return shop.dynamodb.transact_write_items(TransactItems=TransactItems)

        assert shop.reserve(shop.placed("1", mug=1, lamp=1), dynamodb=Mixed(shop.dynamodb)) == [
            "out_of_stock"
        ]

    def test_a_row_that_stands_is_an_answer_even_when_the_stock_is_busy(self, shop: Any) -> None:
        shop.stocks(mug=5)
        order = shop.placed("1", mug=1)
        shop.reserve(order)
        row = shop.dynamodb.get_item(TableName="table", Key={"pk": {"S": "ORDER#1"}})["Item"]

        class Busy(CrashingClient):
            def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803
                error = cancelled("ConditionalCheckFailed", CONFLICT)
                error.response["CancellationReasons"][0]["Item"] = row
                raise error

        assert shop.reserve(order, dynamodb=Busy(shop.dynamodb)) == [True]

    def test_pauses_grow_and_differ(self, shop: Any) -> None:
        from inventory_service.handlers import Inventory
        from inventory_service.store import Stock

        shop.stocks(mug=5)
        slept: list[float] = []
        client: Any = Contended(shop.dynamodb, CONFLICT)
        for number in range(40):
            Inventory(Stock(client, "table", sleep=slept.append), clock=lambda: shop.now).reserve(
                [shop.placed(str(number), mug=1)]
            )
        pauses = TRIES - 1
        assert len(set(slept)) == len(slept) == 40 * pauses
        assert sum(slept[pauses - 1 :: pauses]) > sum(slept[::pauses])
        assert max(slept) <= 0.4

    def test_pauses_lie_between_tries(self, shop: Any) -> None:
        """One more after the last would keep the whole batch waiting for nothing."""
        from inventory_service.handlers import Inventory
        from inventory_service.store import Stock

        shop.stocks(mug=5)
        shop.reserve(shop.placed("held", mug=1))
        happened: list[str] = []

        class Conflicting(CrashingClient):
            def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803
                happened.append("try")
                raise cancelled(*[CONFLICT] * len(TransactItems))

        client: Any = Conflicting(shop.dynamodb)
        stock = Stock(client, "table", sleep=lambda _: happened.append("pause"))
        inventory = Inventory(stock, clock=lambda: shop.now)
        [result] = inventory.reserve([shop.placed("1", mug=1)])
        assert isinstance(result, Retry)
        assert happened == ["try", *["pause", "try"] * (TRIES - 1)]

        happened.clear()
        with pytest.raises(Retry):
            inventory.release(shop.payment_ended("held"))
        assert happened == ["try", *["pause", "try"] * (TRIES - 1)]


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [
            ReadTimeoutError(endpoint_url="https://…"),
            ClientError({"Error": {"Code": "ThrottlingException"}}, "TransactWriteItems"),
            ClientError({"Error": {"Code": "AccessDeniedException"}}, "TransactWriteItems"),
        ],
        ids=["no answer", "throttled", "denied"],
    )
    def test_trouble_with_the_table_fails_the_records_once(self, shop: Any, error: Exception) -> None:
        """Not bisected: it says nothing about any one order, and each more call would only add to it."""
        shop.stocks(mug=5)

        class Broken(CrashingClient):
            def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803
                self.calls.append(("transact_write_items", None))  # type: ignore[arg-type]
                raise error

        client = Broken(shop.dynamodb)
        results = shop.results(*(shop.placed(str(n), mug=1) for n in range(8)), dynamodb=client)
        assert results == [error] * 8
        assert len(client.calls) == 2

    def test_one_order_dynamodb_objects_to_does_not_hold_up_the_others(self, shop: Any) -> None:
        """A key of more than 2048 bytes: the id is a text, so no handler refuses it."""
        shop.stocks(mug=5)
        monster = shop.placed("\N{PACKAGE}" * 1000, mug=1)
        orders = [shop.placed(str(n), mug=1) for n in range(4)]
        results = shop.results(*orders[:2], monster, *orders[2:])
        assert isinstance(results.pop(2), ClientError)
        assert [result[0].data["stockConfirmed"] for result in results] == [True] * 4
        assert shop.on_hand("mug") == 1
        assert shop.conserved()

    def test_a_cancellation_for_another_reason_is_no_rejection(self, shop: Any) -> None:
        shop.stocks(mug=5)
        client = Contended(shop.dynamodb, "ValidationError", touches=lambda pk: pk == "ORDER#2")
        results = shop.results(*(shop.placed(str(n), mug=1) for n in range(4)), dynamodb=client)
        assert [isinstance(result, ClientError) for result in results] == [False, False, True, False]
        assert [shop.state(str(n)) for n in range(4)] == ["RESERVED", "RESERVED", "∅", "RESERVED"]
        assert shop.on_hand("mug") == 2


class TestWindow:
    def test_an_order_past_its_window_takes_nothing(self, shop: Any) -> None:
        shop.stocks(mug=5)
        old = shop.placed("1", mug=1, at=shop.now - model.RESERVATION_WINDOW - timedelta(seconds=1))
        assert shop.reserve(old, shop.placed("2", mug=1)) == ["released: cancelled", True]
        assert shop.state("1") == "RELEASED"
        assert shop.on_hand("mug") == 4

    def test_a_duplicate_past_the_window_is_still_answered(self, shop: Any) -> None:
        """The sweeper publishes again for as long as an order is open."""
        shop.stocks(mug=5)
        order = shop.placed("1", mug=1)
        shop.reserve(order)
        shop.now += model.RESERVATION_WINDOW
        assert shop.reserve(order) == [True]

    def test_rows_outlive_the_horizon_by_a_month(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.reserve(shop.placed("1", mug=1))
        assert shop.row("1")["expiresAt"] == int(shop.placed("1").placed_at.timestamp()) + 90 * 86_400
