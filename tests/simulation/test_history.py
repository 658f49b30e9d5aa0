"""The history of an order, as people read it."""

from __future__ import annotations

from rich.console import Console

from simulation.history import History

START = 1_767_225_600.0


def told() -> History:
    history = History(START)
    history.note(START + 1, "", "operator", "stocks up")
    history.note(START + 2, "o-1", "OrderLambda 1", "orders: ∅ → PLACED")
    history.note(START + 3, "o-2", "OrderLambda 2", "orders: ∅ → PLACED")
    history.note(START + 62.5, "", "operator", "disabled the key")
    history.note(START + 4000.0625, "o-1", "PaymentLambda [9]", "⚡ crash: put_item")
    history.note(START + 3.25, "o-1", "late request", "inventory: ∅ → RESERVED")
    history.note(START + 4000.0625, "", "operator", "enabled the key")
    history.note(START + 9000, "", "operator", "goes home")
    return history


def printed(history: History, order_id: str) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(history.table(order_id))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_an_order_is_told_in_the_order_of_time_with_what_concerned_all_meanwhile() -> None:
    assert [note.what for note in told().of("o-1")] == [
        "orders: ∅ → PLACED",
        "inventory: ∅ → RESERVED",
        "disabled the key",
        "⚡ crash: put_item",
        "enabled the key",
    ]


def test_what_concerned_all_is_dim() -> None:
    assert [row.style for row in told().table("o-1").rows] == [None, None, "dim", None, "dim"]


def test_what_happened_at_one_moment_stays_in_the_order_in_which_it_was_noted() -> None:
    history = History(START)
    for what in ("b", "a", "c"):
        history.note(START, "o-1", "who", what)
    assert [note.what for note in history.of("o-1")] == ["b", "a", "c"]


def test_the_table_says_when_who_and_what() -> None:
    lines = printed(told(), "o-1")
    assert lines[0].strip() == "order o-1"
    row = next(line for line in lines if "crash" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "+01:06:40.062",
        "PaymentLambda [9]",
        "⚡ crash: put_item",
    ]
    assert not any("o-2" in line or "goes home" in line for line in lines)


def test_an_order_that_nothing_happened_to_has_an_empty_table() -> None:
    assert told().of("o-3") == []
    assert told().table("o-3").row_count == 0


def test_the_clock_counts_from_the_beginning_of_the_run() -> None:
    history = History(START)
    assert history.clock(START) == "+00:00:00.000"
    assert history.clock(START + 59.9996) == "+00:01:00.000"
    assert history.clock(START + 95 * 86400) == "+2280:00:00.000"
    assert history.clock(START - 1.5) == "-00:00:01.500"


def test_orders_are_named_in_the_order_in_which_they_turned_up() -> None:
    assert told().orders() == ["o-1", "o-2"]


def test_machines_read_the_same() -> None:
    history = told()
    assert history.as_json("o-1")[1] == {
        "at": 3.25,
        "orderId": "o-1",
        "who": "late request",
        "what": "inventory: ∅ → RESERVED",
    }
    assert len(history.as_json()) == 8
