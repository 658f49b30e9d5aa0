"""`ecom order`: place orders through the API, follow, list and cancel them; erase whom they are for."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from ecom_cli.aws import Stage, resolve_stage
from ecom_cli.errors import EcomError
from ecom_cli.options import JsonOption, RegionOption, StageOption
from ecom_cli.shop.api import FORCED, Api, ApiError, Line, amount_of, force_key, parse_line
from ecom_cli.shop.caller import owner_of
from ecom_cli.shop.erasure import erase as erasing
from ecom_cli.shop.money import shown, to_minor
from ecom_cli.shop.shelves import Item, Shelves

POLL_SECONDS = 0.3
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")

STYLES = {
    "PLACED": "blue",
    "RESERVED": "cyan",
    "PAID": "yellow",
    "SHIPPED": "green",
    "CANCELLING": "magenta",
    "SHIPPING_FAILED": "magenta",
    "VOIDED": "magenta",
    "PAYMENT_FAILED": "red",
    "OUT_OF_STOCK": "red",
    "CANCELLED": "bright_black",
    "REFUNDED": "bright_magenta",
}
"""One colour for each status, in every picture that the tool draws."""

HAPPY_END = "SHIPPED"
NOTES = {
    "reason": "reason",
    "cancelReason": "cancelled for",
    "carrier": "carrier",
    "trackingNumber": "tracking",
}
"""What an order keeps of the facts it met, and the words for it."""

_BASKET_COLUMNS: tuple[JustifyMethod, ...] = ("right", "left", "left", "right")

ENDS = ("SHIPPED", "OUT_OF_STOCK", "PAYMENT_FAILED", "CANCELLED", "REFUNDED")


def words(status: str) -> str:
    """``OUT_OF_STOCK`` → ``out of stock``."""
    return status.lower().replace("_", " ")


def parse_time(text: str) -> datetime:
    """An ISO time of the API or a row, in UTC."""
    return datetime.fromisoformat(text)


def is_closed(order: Mapping[str, Any]) -> bool:
    """True when nothing can happen to the order any more: for a row, and for what the API shows."""
    return bool(order.get("closed"))


def default_amount(lines: Sequence[Line], items: Mapping[str, Item]) -> tuple[int, str]:
    """The sum of the catalogue's prices, in minor units, and its currency.

    Raises EcomError where an item is unknown or the prices are in several currencies.
    """
    if missing := sorted({line.item_id for line in lines} - set(items)):
        raise EcomError(
            f"The catalogue has no {', '.join(missing)}, so there is no price.",
            "`./ecom stock show` lists the items. To order it all the same, give --amount and --currency.",
        )
    currencies = sorted({items[line.item_id].currency for line in lines})
    if len(currencies) > 1:
        raise EcomError(f"These items are priced in {' and '.join(currencies)}: one order has one currency.")
    return sum(items[line.item_id].price * line.quantity for line in lines), currencies[0]


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Place orders, follow them, cancel them, erase whom they are for.",
)

WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Wait until the order is closed.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")]
OrderArgument = Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order's id.")]

PLACE_EXAMPLES = """
[bold]Examples[/]

One lamp and one laptop, at their prices:  [cyan]./ecom order place ITEM_ID-02 ITEM_ID-15[/]

Three lamps, and wait for what becomes of them:  [cyan]./ecom order place ITEM_ID-02:3 --wait[/]

A wrong amount, which inventory refuses:  [cyan]./ecom order place ITEM_ID-02 --amount 1[/]

A carrier that fails once:  [cyan]./ecom order place ITEM_ID-02 --force carrier-down-once --wait[/]
"""


@app.command("place", epilog=PLACE_EXAMPLES)
def place(
    items: Annotated[
        list[str], typer.Argument(metavar="ITEM[:QUANTITY]...", help="As in ITEM_ID-02 or ITEM_ID-02:3.")
    ],
    amount: Annotated[
        str | None,
        typer.Option("--amount", help="What the customer agreed to pay. Default: the prices' sum."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Default: that of the catalogue's prices.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency-Key: the same key never orders twice.")
    ] = None,
    force: Annotated[
        str | None, typer.Option("--force", metavar="NAME", help=f"Simulated outcome: {', '.join(FORCED)}.")
    ] = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = 180,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Place an order through the API.

    Exit code 1 if the API refuses it, or if it is not closed in time with --wait.
    """
    lines = [parse_line(item) for item in items]
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise EcomError("This is no Idempotency-Key.", "Use 1 to 255 printable ASCII characters.")
    if key is not None and force is not None:
        raise EcomError("--key and --force exclude each other: the outcome follows from the key.")
    where = resolve_stage(stage, region)
    console = Console(stderr=as_json)
    minor, money, priced = _price(where, lines, amount, currency)
    if not as_json:
        console.print(_basket(lines, priced, minor, money))
    if force is not None:
        key = force_key(owner_of(where), force)
    with Api.of(where) as api:
        answer = api.place(lines, minor, money, key)
        order = answer.order
        if not as_json:
            console.print(
                f"\n[green]✓[/] order [bold]{order['orderId']}[/]  [dim]{answer.seconds * 1000:.0f} ms[/]"
            )
            if key is not None:
                console.print(f"  [dim]Idempotency-Key {key}[/]")
        if wait:
            order = _wait(api, str(order["orderId"]), timeout, console)
    _print_order(order, as_json)
    if wait:
        _check_closed(order, timeout)


@app.command("show", epilog="Example: [cyan]./ecom order show 5c0e… --wait[/]")
def show(
    order_id: OrderArgument,
    wait: WaitOption = False,
    timeout: TimeoutOption = 180,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """One order and what happened to it when."""
    with Api.of(resolve_stage(stage, region)) as api:
        order = _wait(api, order_id, timeout, Console(stderr=as_json)) if wait else api.get(order_id)
    _print_order(order, as_json)
    if wait:
        _check_closed(order, timeout)


@app.command("list", epilog="Example: [cyan]./ecom order list --limit 5[/]")
def list_(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")] = 20,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Your orders, newest first."""
    with Api.of(resolve_stage(stage, region)) as api:
        found = list(api.list(limit))
    if as_json:
        print(json.dumps(found, indent=2, default=_exact))
        return
    console = Console()
    if not found:
        console.print("No orders yet. `./ecom order place ITEM_ID-02` places one.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    # cut ids are of no use, whatever the width: they are there to be copied
    table.add_column("order", no_wrap=True, min_width=36)
    table.add_column("placed")
    table.add_column("amount", justify="right")
    table.add_column("status")
    for order in found:
        table.add_row(
            str(order["orderId"]),
            f"{parse_time(order['placedAt']).astimezone():%d %b %H:%M:%S}",
            f"{amount_of(order):,} {order['currency']}" if "amount" in order else "",
            Text(words(order["status"]), STYLES.get(order["status"], "")),
        )
    console.print(table)


@app.command("cancel", epilog="Example: [cyan]./ecom order cancel 5c0e… --wait[/]")
def cancel(
    order_id: OrderArgument,
    wait: WaitOption = False,
    timeout: TimeoutOption = 180,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for an order to be cancelled. It is undone step by step: shipping, money, stock.

    Exit code 1 if it is too late. A parcel that is booked in the same moment goes out all the same.
    """
    with Api.of(resolve_stage(stage, region)) as api:
        order = api.cancel(order_id).order
        if wait:
            order = _wait(api, order_id, timeout, Console(stderr=as_json))
    _print_order(order, as_json)
    if wait:
        _check_closed(order, timeout)


@app.command("erase", epilog="Example: [cyan]./ecom order erase 5c0e… --yes[/]")
def erase(
    order_id: OrderArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase whom an order was for: name, address, e-mail. For operators; the order itself stays.

    It cannot be undone. Exit code 1 if there is no such order, or if you say no. Backups of the table still
    hold what was erased, sealed, until they expire: 35 days for point-in-time recovery.
    """
    where = resolve_stage(stage, region)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise EcomError("Erasing cannot be undone, and nobody is here to ask.", "Add --yes to do it.")
        typer.confirm(f"Erase whom order {order_id} is for, on {where.where}?", abort=True)
    done = erasing(where, order_id)
    if as_json:
        print(json.dumps(done.as_json()))
    elif done.now:
        print(f"Erased: order {order_id} stays, and no longer says whom it was for.")
    elif done.at:
        print(f"Nothing to do: that was erased already, at {done.at}.")
    else:
        print(f"Nothing to do: order {order_id} does not say whom it is for.")


def _check_closed(order: Mapping[str, Any], timeout: float) -> None:
    if not is_closed(order):
        raise EcomError(
            f"Not closed within {timeout:g} s: it is {words(order['status'])}.",
            f"`./ecom order show {order['orderId']}` shows how it goes on.",
        )


def timeline(order: Mapping[str, Any]) -> RenderableType:
    """An order's way as a picture: one line for each step, with the time since it was placed."""
    steps = list(order.get("timeline") or ())
    if not steps:
        return Text("nothing is known about its way yet", "dim")
    begun = parse_time(steps[0]["at"])
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="dim")
    grid.add_column()
    grid.add_column(style="dim")
    last = len(steps) - 1
    for number, step in enumerate(steps):
        status = str(step["status"])
        end = is_closed(order) and number == last
        mark = ("✓" if status == HAPPY_END else "■") if end else ("●" if number < last else "◉")
        style = STYLES.get(status, "")
        since = (parse_time(step["at"]) - begun).total_seconds()
        notes = ", ".join(
            str(value)
            for name, value in step.items()
            if name not in {"status", "at", "rank"} and value not in (None, "")
        )
        grid.add_row(f"+{since:.2f} s", Text.assemble((f"{mark} {words(status)}", style)), notes)
        if number < last:
            grid.add_row("", Text("│", "bright_black"), "")
    if not is_closed(order):
        grid.add_row("", Text("┆ still under way", "dim italic"), "")
    return grid


def journey(order: Mapping[str, Any]) -> Text:
    """An order's way in one line: ``placed → reserved → paid → shipped``."""
    text = Text(no_wrap=True)
    previous = ""
    for step in order.get("timeline") or ({"status": order.get("status", "PLACED")},):
        status = str(step["status"])
        if status == previous:
            continue  # the same word twice: first decided, then the stock was back
        if previous:
            text.append(" → ", "bright_black")
        text.append(words(status), STYLES.get(status, ""))
        previous = status
    if is_closed(order):
        text.append(" ✓" if previous == HAPPY_END else " ■", STYLES.get(previous, ""))
    else:
        text.append(" …", "dim")
    return text


def _price(
    stage: Stage, lines: Sequence[Line], amount: str | None, currency: str | None
) -> tuple[int, str, Mapping[str, Item]]:
    """Amount (minor units), currency, and the items as far as the catalogue has them."""
    items = Shelves(stage).some([line.item_id for line in lines])
    if amount is None:
        minor, money = default_amount(lines, items)
        if currency is not None and currency != money:
            raise EcomError(f"The catalogue's prices are in {money}: another currency needs an --amount.")
        return minor, money, items
    money = currency or next((item.currency for item in items.values()), "USD")
    try:
        return to_minor(amount, money), money, items
    except ValueError as error:
        raise EcomError(f"--amount {error}") from None


def _basket(lines: Sequence[Line], items: Mapping[str, Item], minor: int, currency: str) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for justify in _BASKET_COLUMNS:
        table.add_column(justify=justify)
    total: int | None = 0
    for line in lines:
        item = items.get(line.item_id)
        price = item.price * line.quantity if item else None
        total = None if total is None or price is None else total + price
        table.add_row(
            f"{line.quantity} x",
            line.item_id,
            Text(item.name if item else "not in the catalogue", "dim"),
            shown(price, item.currency) if item and price is not None else "",
        )
    table.add_row("", "", Text("amount", "bold"), Text(shown(minor, currency), "bold"))
    if total is not None and total != minor:
        table.add_row("", "", Text("the prices' sum is", "yellow"), Text(shown(total, currency), "yellow"))
    return table


def _wait(api: Api, order_id: str, timeout: float, console: Console) -> dict[str, Any]:
    """Ask until the order is closed or the time is up; the order as it was seen last."""
    end = time.monotonic() + timeout
    order = api.get(order_id)
    with console.status("") as status:
        while not is_closed(order) and time.monotonic() < end:
            status.update(journey(order))
            time.sleep(POLL_SECONDS)
            try:
                order = api.get(order_id)
            except ApiError as error:
                if error.status not in {0, 429, 500, 502, 503, 504}:
                    raise  # anything else will not pass by waiting
    return order


def _print_order(order: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(order, indent=2, default=_exact))
        return
    Console().print(_card(order))


def _card(order: Mapping[str, Any]) -> RenderableType:
    status = str(order["status"])
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column()
    head.add_row("order", str(order["orderId"]))
    head.add_row("status", Text(words(status), f"bold {STYLES.get(status, '')}"))
    if "amount" in order:
        head.add_row("amount", f"{amount_of(order):,} {order['currency']}")
    for name, label in NOTES.items():
        if order.get(name):
            head.add_row(label, str(order[name]))
    for name, value in (order.get("customer") or {}).items():
        head.add_row(name, str(value))
    if order.get("customerErasedAt"):
        head.add_row("customer", f"erased at {order['customerErasedAt']}")
    if order.get("items"):
        head.add_row("items", ", ".join(f"{line['quantity']} x {line['itemId']}" for line in order["items"]))
    return Group(Text(""), head, Text(""), timeline(order), Text(""))


def _exact(value: object) -> object:
    """Amounts as JSON numbers, as the API writes them: a double prints back 15 digits as it got them."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
