"""Stock goes back once, with the lines the row holds, whoever asks and however often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecom_common.errors import Poison, Retry
from ecom_testkit import CrashingClient
from inventory_service import model


@pytest.mark.parametrize("outcome", ["declined", "cancelled", "refunded"])
def test_the_stock_goes_back_and_the_reason_is_told(shop: Any, outcome: str) -> None:
    shop.stocks(mug=5, lamp=5)
    shop.reserve(shop.placed("1", mug=2, lamp=1))
    fact = shop.release(shop.payment_ended("1", outcome))
    assert fact.detail_type == "StockReleased"
    assert fact.data["outcome"] == outcome
    assert (shop.on_hand("mug"), shop.on_hand("lamp")) == (5, 5)
    assert shop.state("1") == "RELEASED"


def test_twice_is_once(shop: Any) -> None:
    shop.stocks(mug=5)
    shop.reserve(shop.placed("1", mug=2))
    first = shop.release(shop.payment_ended("1", "declined"))
    shop.now += timedelta(minutes=1)
    assert shop.release(shop.payment_ended("1", "declined")) == first
    assert shop.on_hand("mug") == 5


def test_the_first_reason_stands(shop: Any) -> None:
    shop.stocks(mug=5)
    shop.reserve(shop.placed("1", mug=2))
    first = shop.release(shop.payment_ended("1", "cancelled"))
    assert shop.release(shop.payment_ended("1", "refunded")) == first
    assert first.data["outcome"] == "cancelled"


def test_the_lines_of_the_row_go_back_and_not_those_of_anybodys_message(shop: Any) -> None:
    shop.stocks(mug=5)
    shop.reserve(shop.placed("1", mug=2))
    fact = shop.payment_ended("1")
    fact.data["items"] = [{"itemId": "mug", "quantity": 900}]
    shop.release(fact)
    assert shop.on_hand("mug") == 5


def test_other_reservations_stay(shop: Any) -> None:
    shop.stocks(mug=5)
    shop.reserve(shop.placed("1", mug=2), shop.placed("2", mug=1))
    shop.release(shop.payment_ended("1"))
    assert (shop.on_hand("mug"), shop.state("2")) == (4, "RESERVED")
    assert shop.conserved()


def test_a_rejected_order_stays_rejected_and_gives_nothing_back(shop: Any) -> None:
    shop.stocks(mug=1)
    [first] = shop.results(shop.placed("1", mug=2))
    assert shop.release(shop.payment_ended("1", "cancelled")) == first[0]
    assert (shop.state("1"), shop.on_hand("mug")) == ("REJECTED", 1)


def test_stock_of_an_item_that_has_left_the_catalogue_can_go_back(shop: Any) -> None:
    shop.stocks(mug=5)
    shop.reserve(shop.placed("1", mug=2))
    shop.dynamodb.delete_item(TableName="table", Key={"pk": {"S": "ITEM#mug"}})
    assert shop.release(shop.payment_ended("1")).detail_type == "StockReleased"
    assert shop.reserve(shop.placed("2", mug=1)) == ["unknown_item"], "there is no price for it"


class TestTombstones:
    def test_a_release_before_its_order(self, shop: Any) -> None:
        shop.stocks(mug=5)
        released = shop.release(shop.payment_ended("1", "cancelled"))
        assert released.data["outcome"] == "cancelled"
        shop.now += timedelta(seconds=30)
        [answer] = shop.results(shop.placed("1", mug=2))
        assert answer == [released], "the order that comes after its own end takes nothing"
        assert shop.on_hand("mug") == 5
        assert shop.release(shop.payment_ended("1", "cancelled")) == released

    def test_an_order_past_its_window_and_then_its_release(self, shop: Any) -> None:
        shop.stocks(mug=5)
        placed_at = shop.now - model.RESERVATION_WINDOW - timedelta(seconds=1)
        [[tombstone]] = shop.results(shop.placed("1", mug=2, at=placed_at))
        assert shop.release(shop.payment_ended("1", "declined", at=placed_at)) == tombstone
        assert shop.on_hand("mug") == 5

    def test_a_tombstone_expires_like_any_row(self, shop: Any) -> None:
        shop.release(shop.payment_ended("1"))
        assert shop.row("1")["expiresAt"] > shop.now.timestamp() + 89 * 86_400


class TestRaces:
    def test_a_rival_releases_between_our_read_and_our_write(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.reserve(shop.placed("1", mug=2))
        rivals: list[Any] = []
        client = shop.meanwhile(
            "transact_write_items", lambda: rivals.append(shop.release(shop.payment_ended("1", "refunded")))
        )
        ours = shop.release(shop.payment_ended("1", "declined"), dynamodb=client)
        assert [ours] == rivals, "what the row says, not what we wanted"
        assert shop.on_hand("mug") == 5

    def test_the_order_arrives_between_our_read_and_our_tombstone(self, shop: Any) -> None:
        shop.stocks(mug=5)
        client = shop.meanwhile("put_item", lambda: shop.reserve(shop.placed("1", mug=2)))
        fact = shop.release(shop.payment_ended("1"), dynamodb=client)
        assert fact.detail_type == "StockReleased"
        assert (shop.state("1"), shop.on_hand("mug")) == ("RELEASED", 5)

    def test_the_release_arrives_between_the_orders_read_and_its_write(self, shop: Any) -> None:
        shop.stocks(mug=5)
        client = shop.meanwhile(
            "transact_write_items", lambda: shop.release(shop.payment_ended("1", "cancelled"))
        )
        assert shop.reserve(shop.placed("1", mug=2), dynamodb=client) == ["released: cancelled"]
        assert shop.on_hand("mug") == 5

    def test_a_row_that_goes_under_the_release_is_tried_again(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.reserve(shop.placed("1", mug=2))

        def expire() -> None:
            shop.dynamodb.delete_item(TableName="table", Key={"pk": {"S": "ORDER#1"}})

        with pytest.raises(Retry):
            shop.release(shop.payment_ended("1"), dynamodb=shop.meanwhile("transact_write_items", expire))
        assert shop.on_hand("mug") == 3, "nothing is given back for a row that is not there"

    @pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError"])
    def test_contention_that_lasts_fails_the_record_and_changes_nothing(self, shop: Any, code: str) -> None:
        shop.stocks(mug=5)
        shop.reserve(shop.placed("1", mug=2))

        class Contended(CrashingClient):
            def transact_write_items(self, *, TransactItems: list[Any]) -> Any:  # noqa: N803 - as boto3 has it
                response: Any = {
                    "Error": {"Code": "TransactionCanceledException"},
                    "CancellationReasons": [{"Code": "None"}, {"Code": code}],
                }
                raise ClientError(response, "TransactWriteItems")

        with pytest.raises(Retry):
            shop.release(shop.payment_ended("1"), dynamodb=Contended(shop.dynamodb))
        assert (shop.state("1"), shop.on_hand("mug")) == ("RESERVED", 3)


class TestPoison:
    def test_a_confirmed_payment_releases_nothing(self, shop: Any) -> None:
        shop.stocks(mug=5)
        shop.reserve(shop.placed("1", mug=2))
        with pytest.raises(Poison):
            shop.release(shop.payment_ended("1", "charged"))
        assert shop.state("1") == "RESERVED"

    @pytest.mark.parametrize("outcome", ["refunded!", "", "charged"])
    def test_an_outcome_that_is_none_of_ours(self, shop: Any, outcome: str) -> None:
        fact = shop.payment_ended("1", outcome)
        fact.data["paymentConfirmed"] = False
        with pytest.raises(Poison):
            shop.release(fact)
        assert shop.state("1") == "∅"
