"""The promise about mails to customers, broken in each way there is."""

from __future__ import annotations

import pytest

from simulation.invariants import Promise
from simulation.story import BOOKING, ORDER, Break, Story

SHORT = ("StockNotificationsTopic", f'"Something in your order {ORDER} is out of stock."')
DECLINED = ("PaymentFailureTopic", f'"The payment for your order {ORDER} was declined."')
SHIPPED = ("ShippingNotificationTopic", f'"Your order {ORDER} is on its way with primary: PR1."')
FAILED = ("ShippingNotificationTopic", f'"No luck: no carrier could take your order {ORDER}."')


def _out_of_stock(story: Story) -> None:
    story.place()
    story.began = story.now
    story.item(quantity=1, received=1)
    story.reject()
    story.watch.notified(*SHORT)


def _declined(story: Story) -> None:
    story.declined()
    story.watch.notified(*DECLINED)


def _shipped(story: Story) -> None:
    story.shipped()
    story.watch.notified(*SHIPPED)


def _given_up(story: Story) -> None:
    story.charged()
    story.ship("INTENT", rescues=4)
    story.ship("CANCELLING", reason="carrier_unavailable")
    story.ship("FAILED")
    story.watch.notified(*FAILED)


def _alarm(story: Story) -> None:
    story.watch.notified("OpsAlertTopic", "ALARM")


FINE: tuple[Break, ...] = (_out_of_stock, _declined, _shipped, _given_up, _alarm)


@pytest.mark.parametrize("tell", FINE, ids=[tell.__name__[1:] for tell in FINE])
def test_a_mail_is_fine_that_says_what_happened(tell: Break) -> None:
    story = Story()
    tell(story)
    assert story.violations == []


def _short_of_nothing(story: Story) -> None:
    story.place()
    story.watch.notified(*SHORT)


def _short_but_mispriced(story: Story) -> None:
    story.place(amount=499)
    story.reject("amount_mismatch", amount=499)
    story.watch.notified(*SHORT)


def _not_declined(story: Story) -> None:
    story.charged()
    story.watch.notified(*DECLINED)


def _not_given_up(story: Story) -> None:
    story.cancelled()
    story.watch.notified(*FAILED)


def _another_number(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.ship("CREATED", **{**BOOKING, "trackingNumber": "PR2"})
    story.watch.notified(*SHIPPED)


def _about_nobody(story: Story) -> None:
    story.shipped()
    story.watch.notified("ShippingNotificationTopic", "Your order  is on its way with primary: PR1.")


def _who_knows_what(story: Story) -> None:
    story.shipped()
    story.watch.notified("ShippingNotificationTopic", f"{ORDER} {{}}")


BREAKS: tuple[tuple[Break, str, str], ...] = (
    (_short_of_nothing, Promise.MAILED, "is out of stock"),
    (_short_but_mispriced, Promise.MAILED, "is out of stock"),
    (_not_declined, Promise.MAILED, "was declined"),
    (_not_given_up, Promise.MAILED, "no carrier could take"),
    (_another_number, Promise.MAILED, "its trackingNumber is PR2"),
    (_about_nobody, Promise.MAILED, "Your order  is on its way"),
    (_who_knows_what, Promise.MAILED, "{}"),
)


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Break, promise: str, what: str) -> None:
    story = Story()
    tell(story)
    story.noticed(promise, what)
