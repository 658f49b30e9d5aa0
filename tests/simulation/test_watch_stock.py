"""Each promise about the stock, broken once, and what an order may be refused for."""

from __future__ import annotations

import pytest

from simulation.invariants import Promise
from simulation.story import GONE, ITEM, ORDER, START, Break, Story


def _sold_twice(story: Story) -> None:
    story.place()
    story.reserve(taken=6)


def _too_few_taken(story: Story) -> None:
    story.place()
    story.reserve(taken=1)


def _too_much_back(story: Story) -> None:
    story.place()
    story.reserve()
    story.pay("INTENT")
    story.pay("DECLINED")
    story.release("declined", back=3)


def _item_vanishes(story: Story) -> None:
    story.reserved()
    story.delete("inventory", f"ITEM#{ITEM}")


def _counted_wrong(story: Story) -> None:
    story.item(quantity=7)


def _another_price(story: Story) -> None:
    story.place()
    story.item(price=251)
    story.reserve()


def _another_currency(story: Story) -> None:
    story.place()
    story.item(currency="EUR")
    story.reserve()


def _other_lines(story: Story) -> None:
    story.place()
    story.reserve(taken=1, lines=[{"itemId": ITEM, "quantity": 1}])


def _enough_there(story: Story) -> None:
    story.place()
    story.reject()


def _short_long_ago(story: Story) -> None:
    story.item(quantity=1, received=1)
    story.place()
    story.item(quantity=5, received=5)
    story.now += 10
    story.began = story.now
    story.reject()


def _short_before_any_time_out(story: Story) -> None:
    story.item(quantity=1, received=1)
    story.place()
    story.item(quantity=5, received=5)
    story.now += 120
    story.reject()


def _known_item(story: Story) -> None:
    story.place()
    story.reject("unknown_item")


def _right_amount(story: Story) -> None:
    story.place()
    story.reject("amount_mismatch")


def _right_currency(story: Story) -> None:
    story.place()
    story.reject("currency_mismatch")


def _no_such_reason(story: Story) -> None:
    story.place(amount=499)
    story.reject("bad_mood", amount=499)


def _just_enough_there(story: Story) -> None:
    story.item(quantity=2, received=2)
    story.began = story.now = story.now + 1
    story.place()
    story.reject()


def _unicorn_reserved(story: Story) -> None:
    story.place(items=UNICORN)
    story.reserve(taken=0, lines=UNICORN)


def _unicorn_out_of_stock(story: Story) -> None:
    story.place(items=UNICORN)
    story.reject(lines=UNICORN)


def _unicorn_in_another_currency(story: Story) -> None:
    story.place(items=UNICORN)
    story.reject("currency_mismatch", lines=UNICORN)


UNICORN = [{"itemId": "unicorn", "quantity": 1}]
"""Nobody has ever sold one."""

BREAKS: tuple[tuple[Break, str, str], ...] = (
    (_sold_twice, Promise.NOT_NEGATIVE, f"-1 on hand, after {ORDER}"),
    (_too_few_taken, Promise.STOCK, "4 on hand, but 5 received - 2 reserved = 3, after"),
    (_too_much_back, Promise.STOCK, "6 on hand, but 5 received - 0 reserved = 5"),
    (_item_vanishes, Promise.STOCK, "2 reserved of an item that does not exist"),
    (_counted_wrong, Promise.STOCK, "7 on hand, but 5 received"),
    (_another_price, Promise.AGREED, "reserved for 500 USD, but the items cost 502"),
    (_another_currency, Promise.AGREED, f"{ITEM} is reserved in USD, but is 5 at 250 EUR"),
    (_other_lines, Promise.AGREED, "ordered [('mug', 2)], but reserved [('mug', 1)]"),
    (_enough_there, Promise.REFUSED, "refused as out_of_stock, but it wanted 2 of mug with 5 at 250 USD"),
    (_short_long_ago, Promise.REFUSED, "2 of mug with 5 at 250 USD"),
    (_short_before_any_time_out, Promise.REFUSED, "2 of mug with 5 at 250 USD"),
    (_just_enough_there, Promise.REFUSED, "2 of mug with 2 at 250 USD"),
    (_unicorn_reserved, Promise.STOCK, "1 reserved of an item that does not exist"),
    (_unicorn_reserved, Promise.AGREED, "unicorn is reserved in USD, but is no such item"),
    (_unicorn_out_of_stock, Promise.REFUSED, "1 of unicorn with no such item"),
    (_unicorn_in_another_currency, Promise.REFUSED, "refused as currency_mismatch"),
    (_known_item, Promise.REFUSED, "refused as unknown_item"),
    (_right_amount, Promise.REFUSED, "refused as amount_mismatch"),
    (_right_currency, Promise.REFUSED, "refused as currency_mismatch"),
    (_no_such_reason, Promise.REFUSED, "refused as bad_mood"),
)  # fmt: skip


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Break, promise: str, what: str) -> None:
    story = Story()
    tell(story)
    story.noticed(promise, what)


def _short_while_it_looked(story: Story) -> None:
    story.place()
    story.began = story.now
    story.item(quantity=1, received=1)
    story.item(quantity=5, received=5)
    story.reject()


def _short_as_it_began(story: Story) -> None:
    story.item(quantity=1, received=1)
    story.place()
    story.now += 10
    story.began = story.now
    story.item(quantity=5, received=5)
    story.reject()


def _repriced_while_it_looked(story: Story) -> None:
    story.place()
    story.began = story.now
    story.item(price=300)
    story.reject("amount_mismatch")


def _no_such_item(story: Story) -> None:
    story.place(items=UNICORN)
    story.reject("unknown_item", lines=UNICORN)


def _no_price(story: Story) -> None:
    story.item(price=GONE)
    story.place()
    story.reject("unknown_item")


def _short_before_two_deliveries(story: Story) -> None:
    story.place()
    story.began = story.now
    for quantity in (1, 5, 9):
        story.item(quantity=quantity, received=quantity)
    story.reject()


def _in_another_currency(story: Story) -> None:
    story.place(currency="EUR")
    story.reject("currency_mismatch", currency="EUR")


def _wrong_amount(story: Story) -> None:
    story.place(amount=499)
    story.reject("amount_mismatch", amount=499)


TRUE: tuple[Break, ...] = (
    _short_while_it_looked,
    _short_as_it_began,
    _repriced_while_it_looked,
    _no_such_item,
    _no_price,
    _short_before_two_deliveries,
    _in_another_currency,
    _wrong_amount,
)


@pytest.mark.parametrize("tell", TRUE, ids=[tell.__name__[1:] for tell in TRUE])
def test_a_refusal_is_fine_that_was_true_at_some_moment_of_its_invocation(tell: Break) -> None:
    story = Story()
    tell(story)
    assert story.violations == []


def test_an_item_of_which_nothing_is_reserved_may_be_taken_off_the_catalogue() -> None:
    story = Story()
    story.declined()
    story.delete("inventory", f"ITEM#{ITEM}")
    assert story.violations == []


def test_two_orders_of_one_item_add_up() -> None:
    story = Story()
    story.place()
    story.place("another")
    story.reserve()
    story.reserve(order_id="another")
    assert story.violations == []
    story.item(quantity=3)
    (violation,) = story.violations
    assert violation == (Promise.STOCK, ITEM, "3 on hand, but 5 received - 4 reserved = 1", START + 7)
