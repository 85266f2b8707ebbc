"""The figures as the tables of docs/performance.md, between its two marks. What was not measured is left out."""

from __future__ import annotations

from typing import NamedTuple

from casino_pam.local.os_support import PROJECT

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NOTHING = "none"

Figures = dict[str, float]


class Ratio(NamedTuple):
    """A rate over another of the same run; ``floor`` and ``goal`` where one was set."""

    what: str
    name: str
    base: str
    floor: float | None = None
    goal: float | None = None


# Floors and goals are those of the speed promises.
RATIOS = (
    Ratio("signed bets, 32 connections, 10,000 wallets, a third wagering", "door 32", "five statements", 0.8, 1.2),
    Ratio("the same at 128 connections", "door 128", "five statements", 1.3, 2.0),
    Ratio("the same, over the lean tables", "door 32", "lean, five statements"),
    Ratio("the same at 128 connections, over the lean tables", "door 128", "lean, five statements"),
    Ratio("128 connections over one statement on the lean tables", "door 128", "lean, one CTE"),
    Ratio("one hot wallet, 32 connections", "door hot 32", "door 32", 0.5, 0.8),
    Ratio("one hot wallet over plain DRF + ORM on one", "door hot 32", "plain DRF hot 32", 10.0, 25.0),
    Ratio("`bulk`, operations of 1,000 a request", "bulk operations", "1000 rows a statement", 0.3, 0.6),
    Ratio("the same, over the lean tables", "bulk operations", "lean, 1000 rows a statement", 0.4, 0.5),
    Ratio("READ COMMITTED over REPEATABLE READ, 128 connections", "door 128", "door 128, repeatable read", 1.0, 1.0),
    Ratio("all nine limits set over none", "door 32, all limits set", "door 32, none wagering again", 0.9, 1.0),
    Ratio("events for an endpoint that is down over none", "door 32, endpoint down", "door 32, no endpoint", 0.95, 1.0),
    Ratio(
        "bets with Redis frozen over bets with Redis well", "door 128, Redis frozen", "door 128, Redis well", 0.95, 1.0
    ),
    Ratio("a third of the players wagering over none", "door 32", "door 32, none wagering again", 0.8, 1.0),
)

# Rates whose operations cost CPU: of the application, which is pgbench where it says statements, and of PostgreSQL.
COSTS = (
    *("door 32", "door 128", "door hot 32", "bulk operations", "door 128, repeatable read"),
    *("five statements", "one CTE", "1000 rows a statement"),
    *("lean, five statements", "lean, one CTE", "lean, 1000 rows a statement"),
    *("plain DRF 32", "plain DRF hot 32"),
)


class Most(NamedTuple):
    """A figure that is to be no more than ``goal``."""

    what: str
    name: str
    unit: str
    goal: float


MOST = (
    Most("2,000 sockets, 200 bets a second: answer to frame, p99", "live, bet answered to frame p99 ms", "ms", 10),
    Most("the same, from the bet's sending", "live, bet sent to frame p99 ms", "ms", 50),
    Most("first bet of an idle house, one connection, p50", "first bet of an idle house p50 ms", "ms", 4),
    Most("the same, p99", "first bet of an idle house p99 ms", "ms", 10),
    Most("under load, 128 connections: p99 over p50", "door 128 p99 over p50", "x", 3),
    Most("10,000 sockets: memory of the web processes", "10,000 sockets, MiB", "MiB", 1_024),
    Most("`make run` where it has run before", "second start of make run, s", "s", 6),
    Most("`manage.py check`", "manage.py check, s", "s", 1.5),
    Most("the slowest page but reports, on a grown ledger", "slowest page, ms", "ms", 100),
    Most("queries of the page that asks most", "most queries of a page", "", 20),
    Most("a grown ledger: MB a million rows", "MB a million rows", "MB", 350),
    Most("a grown ledger: WAL of a bet over that before", "WAL of a bet on a grown ledger", "x", 2),
)

# A signed bet's CPU in the web workers, over our own door's; of hub88 without its RSA. No more than this.
DIALECTS = ("beexar", "hub88", "swipegames", "slotegrator", "pragmatic", "evolution")
MOST_CPU = 1.15


def table(machine: str, measured: Figures) -> str:
    """Ratios first, then every figure they were made of."""
    figures = measured | derived(measured)
    parts = [_ratios(figures), _costs(figures), _most(figures), _dialects(figures), _all(measured)]
    return "\n\n".join([f"Measured {machine}.", *("\n".join(part) for part in parts if len(part) > 2)])


def derived(figures: Figures) -> Figures:
    """What is made of several figures."""
    found = {}
    if "door 128 p50 ms" in figures:
        found["door 128 p99 over p50"] = figures["door 128 p99 ms"] / figures["door 128 p50 ms"]
    for name in [name for name in figures if name.startswith("door 128, on ") and name.endswith(", WAL bytes")]:
        found["WAL of a bet on a grown ledger"] = figures[name] / figures["door 128, before the rows, WAL bytes"]
    return found


def _grown(figures: Figures) -> list[Ratio]:
    names = [name for name in figures if name.startswith("door 128, on ") and name.endswith(" rows")]
    return [Ratio("bets at 128 on a grown ledger", name, "door 128, before the rows", 0.85, 0.95) for name in names]


def _ratios(figures: Figures) -> list[str]:
    lines = ["| what | a second | over | a second | ratio | floor | goal |", "|---|---:|---|---:|---:|---:|---:|"]
    for what, name, base, floor, goal in (*RATIOS, *_grown(figures)):
        if name in figures and base in figures:
            bounds = " | ".join(NOTHING if bound is None else f"{bound:g} x" for bound in (floor, goal))
            ratio = f"**{figures[name] / figures[base]:.2f} x**"
            lines.append(f"| {what} | {figures[name]:,.0f} | {base} | {figures[base]:,.0f} | {ratio} | {bounds} |")
    return lines


def _costs(figures: Figures) -> list[str]:
    lines = ["| CPU of an operation, µs | application | PostgreSQL | both |", "|---|---:|---:|---:|"]
    for name in COSTS:
        if f"{name}, app us" in figures:
            app, database = figures[f"{name}, app us"], figures[f"{name}, PostgreSQL us"]
            lines.append(f"| {name} | {app:,.0f} | {database:,.0f} | **{app + database:,.0f}** |")
    return lines


def _most(figures: Figures) -> list[str]:
    lines = ["| what | measured | at most |", "|---|---:|---:|"]
    for what, name, unit, goal in MOST:
        if name in figures:
            # Queries and megabytes are whole.
            digits = 0 if unit in ("", "MiB", "MB") else 1
            lines.append(f"| {what} | **{figures[name]:,.{digits}f}** {unit} | {goal:,g} {unit} |")
    return lines


def _dialects(figures: Figures) -> list[str]:
    lines = ["| a signed bet's CPU | µs | over our own door's | at most |", "|---|---:|---:|---:|"]
    for dialect in DIALECTS:
        if f"CPU of {dialect}" in figures:
            cost, ratio = figures[f"bet of {dialect}, us"], figures[f"CPU of {dialect}"]
            apart = f", its RSA ({figures['hub88 RSA, us']:.0f} µs) apart" if dialect == "hub88" else ""
            lines.append(f"| `{dialect}`{apart} | {cost:.0f} | **{ratio:.2f} x** | {MOST_CPU:g} x |")
    return lines


def _all(figures: Figures) -> list[str]:
    return ["| figure | value |", "|---|---:|", *(f"| {name} | {value:,.1f} |" for name, value in figures.items())]


def write(table: str) -> None:
    page = PROJECT / "docs" / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
