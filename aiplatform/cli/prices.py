"""`aiplatform prices`: what models cost, and what stored spans cost by it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, error_console, print_json, print_table, say, tr
from aiplatform.cli.times import seconds_of
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)

PATH: Final = "/api/v1/prices"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_HEADS: Final = (
    N_("model"), N_("provider"), N_("currency"), N_("input"), N_("output"), N_("cache read"), N_("cache write"),
    N_("valid from"), N_("set by"),
)  # fmt: skip

ModelArgument = Annotated[str, typer.Argument(help=tr(N_("Name without a date; a * may stand at the end.")))]
ProviderOption = Annotated[
    str, typer.Option("--provider", help=tr(N_("Who bills, such as openai; by default whoever does.")))
]


@app.command("list", help=tr(N_("List prices per million tokens: the tenant's own, then those that ship.")))
def list_prices(
    model: Annotated[str | None, typer.Argument(help=tr(N_("Only models with this in their name.")))] = None,
    *,
    own: Annotated[bool, typer.Option("--own", help=tr(N_("Only the tenant's own.")))] = False,
    json: JsonOption = False,
) -> None:
    """List prices."""
    with Client() as client:
        items = client.get(PATH)["items"]
    shown = [
        one
        for one in items
        if (not own or one["origin"] == "tenant") and (model is None or model.lower() in one["model"])
    ]
    if json:
        print_json(shown)
        return
    if not shown:
        say(N_("There is no such price."))
        return
    print_table(_HEADS, [_row(one) for one in shown], right=(3, 4, 5, 6))


@app.command("set", help=tr(N_("Set what a million tokens of a model cost in this tenant.")))
def set_price(
    model: ModelArgument,
    *,
    currency: Annotated[str, typer.Option("--currency", help=tr(N_("Three letters: USD, CNY, EUR.")))],
    input_price: Annotated[float, typer.Option("--input", help=tr(N_("Of input that no cache served.")))],
    output_price: Annotated[float | None, typer.Option("--output", help=tr(N_("Of output.")))] = None,
    cache_read: Annotated[
        float | None, typer.Option("--cache-read", help=tr(N_("Of input that a cache served; by default as input.")))
    ] = None,
    cache_write: Annotated[
        float | None, typer.Option("--cache-write", help=tr(N_("Of input put into a cache; by default as input.")))
    ] = None,
    provider: ProviderOption = "",
    valid_from: Annotated[
        str | None, typer.Option("--from", help=tr(N_("First day in UTC, 2026-12-31; by default since ever.")))
    ] = None,
    json: JsonOption = False,
) -> None:
    """Set a price."""
    body = {
        "model": model,
        "provider": provider,
        "currency": currency,
        "input": input_price,
        "output": output_price,
        "cache_read": cache_read,
        "cache_write": cache_write,
        "valid_from_ns": 0 if valid_from is None else _day_ns(valid_from),
    }
    with Client() as client:
        made = client.put(PATH, body)
    if json:
        print_json(made)
        return
    say(N_("The price of {model} is set; spans that arrive from now on have it."), model=made["model"])
    say(N_("For stored spans: aiplatform prices reprice --since 30d"))


@app.command("remove", help=tr(N_("Remove the tenant's own prices of a model; the list holds again.")))
def remove_price(
    model: ModelArgument,
    *,
    provider: ProviderOption = "",
    valid_from: Annotated[
        str | None, typer.Option("--from", help=tr(N_("Only the price from this day on; by default all.")))
    ] = None,
    json: JsonOption = False,
) -> None:
    """Remove a price."""
    moment = None if valid_from is None else _day_ns(valid_from)
    with Client() as client:
        wanted = {"model": model, "provider": provider or None, "valid_from_ns": moment}
        removed = client.request("DELETE", PATH, params=wanted).json()
    if json:
        print_json(removed)
        return
    say(N_("{count} prices are removed."), count=removed["removed"])


@app.command("reprice", help=tr(N_("Price the project's stored spans again, piece by piece.")))
def reprice(
    *,
    since: Annotated[
        str, typer.Option("--since", help=tr(N_("How far back, 30d, or the first day in UTC, 2026-12-31.")))
    ],
    after: Annotated[
        str, typer.Option("--after", help=tr(N_("Go on where an earlier call was cut off; it printed this.")))
    ] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Price stored spans again."""
    since_ns = _day_ns(since) if _DAY.fullmatch(since) else time.time_ns() - int(seconds_of(since) * 1e9)
    num_spans = num_changed = 0
    with Client(find_credentials(project=project)) as client:
        place: str | None = after
        try:
            while place is not None:
                piece = client.post(f"{PATH}:reprice", {"since_ns": since_ns, "after": place}, idempotent=True)
                num_spans += piece["num_spans"]
                num_changed += piece["num_changed"]
                place = piece["next"]
        except BaseException:
            if place:
                command = f"aiplatform prices reprice --since {since} --after {place}"
                error_console().print(tr(N_("Go on with: {command}"), command=command), markup=False)
            raise
    if json:
        print_json({"num_spans": num_spans, "num_changed": num_changed})
        return
    say(N_("{changed} of {count} spans have another cost now."), changed=num_changed, count=num_spans)


def _row(one: dict[str, Any]) -> list[Any]:
    return [
        one["model"],
        one["provider"],
        one["currency"],
        *(_rate(one[name]) for name in ("input", "output", "cache_read", "cache_write")),
        _day(one["valid_from_ns"]),
        one.get("principal", "").removeprefix("user:"),
    ]


def _rate(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:g}"


def _day(at_ns: int) -> str | None:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d") if at_ns else None


def _day_ns(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    except ValueError:
        raise InvalidError(N_("{text!r} is not a day."), hint=N_("Write it as 2026-12-31."), text=text) from None
