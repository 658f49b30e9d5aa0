"""What is promised, in the words of those it is promised to, and the moves and times it is measured by.

Written down a second time, on purpose: a bug in a service's own table of moves must not make itself legal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from simulation.tables import CANARY_REQUEST

CANARY = "canary-"
"""How every canary begins: one search finds them all."""

CANARY_OWNER = "canary-owner-51c2"
"""Part of every customer's identity."""

CANARY_KEY = "canary-key-9d0e"
"""Part of every Idempotency-Key."""

CANARY_GATEWAY = "canary-gateway-e4b8"
"""Part of what gateway and carriers say when they fail."""

CANARY_BODY = "canary-body-86f0"
"""Part of messages that nobody can read."""

CANARY_CUSTOMER = "canary-customer-3c97"
"""Part of everything that is told of whom an order is for."""

CANARIES = (CANARY_OWNER, CANARY_KEY, CANARY_GATEWAY, CANARY_BODY, CANARY_CUSTOMER, CANARY_REQUEST)
"""Words that no log, mail, fact or dead letter may repeat."""


class Violation(NamedTuple):
    """A promise that was broken. `order_id` names whom it was broken to: an order, or an item of stock."""

    promise: str
    order_id: str
    detail: str
    at: float


class Promise(StrEnum):
    """The promises, by the name they are reported under."""

    # at each write
    READABLE = "every row can be read"
    LEGAL = "rows move only as the protocol says"
    FORWARD = "an order's status never goes back"
    CLOSED = "a closed order never changes its end"
    FIXED = "what was agreed never changes"
    TIMELINE = "the timeline only grows, and says what happened when"
    INDEXED = "exactly the open orders are in the sweeper's index"
    BACKED = "an order says only what happened"
    NOT_NEGATIVE = "stock is never below zero"
    STOCK = "stock on hand = received - reserved"
    AGREED = "only what was ordered is reserved and charged, at the price agreed"
    REFUSED = "an order is refused only for a reason that is true"
    RESERVED_FIRST = "money is asked for only while stock is reserved"
    PAID_FIRST = "only what is paid is shipped"
    NEVER_SHIPS = "money goes back only for what never ships"
    MONEY_FIRST = "stock goes back only after the money"
    ASKED = "a shipment is stopped only for an order that turned back, expired or found no carrier"
    NOTED = "no carrier is asked before the shipment's row says so"
    WINDOW = "past its window a fact writes only a tombstone"
    HORIZON = "facts older than 60 days change nothing"
    TIMELY = "no open order waits longer for its next sweep than it may"
    SWEPT = "every sweep sees to each order that is due"
    KEPT = "no row is deleted before its time"
    SEALED = "whom an order is for is stored under that order's seal alone"
    # at each publication
    TRUE_FACT = "no event without its fact"
    SAME_FACT = "the same fact always has the same id, time and content"
    # at each answer
    STORED = "what the API accepts is stored"
    OWN_KEY = "one Idempotency-Key, one order"
    PROBLEM = "a refusal says what is wrong, and no more"
    SEEN = "what a customer has seen of an order stays true"
    OWN_ORDERS = "nobody sees another's order"
    NO_EXCUSE = "the API fails only where something failed it"
    LISTED = "an owner's list shows each of their orders, once"
    # in every text
    MAILED = "a mail says only what is true"
    NO_CANARY = "no customer's word and no error text gets into logs, mails, facts or dead letters"
    # of the functions
    UNFAILING = "no function fails by itself"
    # in fair weather
    PROMPT = "where nothing fails, every order ends at once and by itself"
    # at rest
    CALM = "every run comes to an end"
    ENDS = "every order closes once faults stop"
    DONE = "all work gets done once faults stop"
    ONE_CHARGE = "an order is charged once at the most"
    ONE_PARCEL = "shipped means one parcel, anything else means none"
    MONEY = "charged less refunded is the value of what shipped"
    POISON = "what can never be handled is parked, with the reason, and nothing else is"
    TOLD = "a parcel that could not be stopped is reported"


OF_THE_WORLD = frozenset({Promise.LISTED, Promise.UNFAILING, Promise.CALM, Promise.PROMPT})
"""Those that the watch cannot see by itself: the world reports them, or asks."""

MOVES: Mapping[str, frozenset[tuple[str, str]]] = {
    "reservation": frozenset(
        {("", "RESERVED"), ("", "REJECTED"), ("", "RELEASED"), ("RESERVED", "RELEASED")}
    ),
    "payment": frozenset(
        {
            ("", "INTENT"),
            ("", "VOIDED"),
            ("INTENT", "CHARGED"),
            ("INTENT", "DECLINED"),
            ("INTENT", "VOIDING"),
            ("VOIDING", "VOIDED"),
            ("VOIDING", "REFUNDING"),
            ("CHARGED", "REFUNDING"),
            ("REFUNDING", "REFUNDED"),
        }
    ),
    "shipment": frozenset(
        {
            ("", "INTENT"),
            ("", "FAILED"),
            ("INTENT", "CREATED"),
            ("INTENT", "CANCELLING"),
            ("CANCELLING", "FAILED"),
            ("CANCELLING", "CREATED"),
        }
    ),
}
"""Of the participants' rows, by kind; "" is no row."""


class Cause(NamedTuple):
    """What brings an order to a status: a fact, which stands for a state of a participant's row.

    `outcome`: what a released reservation must say. `notes`: what the order's row keeps of the other row.
    """

    fact: str
    kind: str
    state: str
    outcome: str = ""
    notes: tuple[str, ...] = ()


_BOOKING = ("shippingId", "carrier", "trackingNumber")

CAUSES: Mapping[tuple[str, str], Cause] = {
    ("RESERVED", "20"): Cause("StockConfirmation reserved", "reservation", "RESERVED"),
    ("OUT_OF_STOCK", "90"): Cause("StockConfirmation rejected", "reservation", "REJECTED", "", ("reason",)),
    ("PAID", "30"): Cause("PaymentConfirmation charged", "payment", "CHARGED"),
    ("SHIPPING_FAILED", "50"): Cause("ShipmentFailed", "shipment", "FAILED", "", ("reason",)),
    ("PAYMENT_FAILED", "60"): Cause("PaymentConfirmation declined", "payment", "DECLINED", "", ("reason",)),
    ("VOIDED", "60"): Cause("PaymentConfirmation cancelled", "payment", "VOIDED", "", ("reason",)),
    ("REFUNDED", "70"): Cause("PaymentRefunded", "payment", "REFUNDED", "", ("refundId",)),
    ("PAYMENT_FAILED", "90"): Cause("StockReleased declined", "reservation", "RELEASED", "declined"),
    ("CANCELLED", "90"): Cause("StockReleased cancelled", "reservation", "RELEASED", "cancelled"),
    ("REFUNDED", "90"): Cause("StockReleased refunded", "reservation", "RELEASED", "refunded"),
    ("SHIPPED", "90"): Cause("ShipmentCreated", "shipment", "CREATED", "", _BOOKING),
}
"""By status and rank: a status that is shown twice has two."""

FORWARD = frozenset({"PLACED", "RESERVED", "PAID"})
"""An order in any other status has ended or is on its way back."""

ALL_MOVES: frozenset[tuple[str, str, str]] = frozenset(
    {(kind, before, after) for kind, moves in MOVES.items() for before, after in moves}
    | {("order", cause.fact, status) for (status, _), cause in CAUSES.items()}
    | {
        ("order", "intake", "PLACED"),
        ("order", "customer", "CANCELLING"),
        ("order", "timeout", "CANCELLING"),
    }
)
"""Full coverage: each move of a participant's row, and each status of an order by each cause of it."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
CANCEL_AFTER = 15 * MINUTE
LONGEST_PAUSE = 15 * MINUTE
RESERVATION_WINDOW = HOUR
PAYMENT_WINDOW = 12 * HOUR
SHIPPING_WINDOW = 7 * DAY
REPLAY_HORIZON = 60 * DAY
RESCUES = 4

EARLY = 5 * MINUTE
"""By how much two clocks may differ, and so a window may seem to end before it does."""

LONGEST = MINUTE
"""From the begin of an invocation until the last of its requests has taken effect, if nobody waits for it."""

LATE = EARLY + LONGEST
"""How long after the end of a window a decision taken within it may still be written."""
