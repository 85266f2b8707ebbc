"""The figures as the table of docs/performance.md, between its two marks."""

from __future__ import annotations

from casino_pam.local.os_support import PROJECT

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

# What, its figure, what it is compared with, floor, goal (DESIGN of the speed promises).
ROWS = (
    ("signed bets, 32 connections, 10,000 wallets, a third wagering", "door 32", "five statements", 0.8, 1.2),
    ("the same at 128 connections", "door 128", "five statements", 1.3, 2.0),
    ("one hot wallet, 32 connections", "door hot 32", "door 32", 0.5, 0.8),
    ("one hot wallet over plain DRF + ORM on one", "door hot 32", "plain DRF hot 32", 10.0, 25.0),
    ("`bulk`, operations of 1,000 a request", "bulk operations", "1000 rows a statement", 0.3, 0.6),
    ("READ COMMITTED over REPEATABLE READ, 128 connections", "door 128", "door 128, repeatable read", 1.0, 1.0),
    ("all nine limits set over none", "door 32, all limits set", "door 32, none wagering again", 0.9, 1.0),
    ("events for an endpoint that is down over none", "door 32, endpoint down", "door 32, no endpoint", 0.95, 1.0),
    ("bets with Redis frozen over bets with Redis well", "door 128, Redis frozen", "door 128, Redis well", 0.95, 1.0),
    ("a third of the players wagering over none", "door 32", "door 32, none wagering again", 0.8, 1.0),
)

# Milliseconds with 2,000 sockets and 200 bets a second, 99 of 100 within them: what, its figure, floor, goal.
TIMES = (
    ("bet answered to WebSocket frame", "live, bet answered to frame p99 ms", 100.0, 25.0),
    ("bet sent to WebSocket frame, the bet included", "live, bet sent to frame p99 ms", 100.0, 50.0),
)

# A signed bet's CPU in the web workers, over our own door's; of hub88 without its RSA. No more than this.
DIALECTS = ("beexar", "hub88", "swipegames", "slotegrator", "pragmatic", "evolution")
MOST_CPU = 1.15


def table(machine: str, figures: dict[str, float]) -> str:
    """Ratios first, then every figure they were made of."""
    lines = [f"Measured {machine}.", "", "| what | a second | over | a second | ratio | floor | goal |"]
    lines.append("|---|---:|---|---:|---:|---:|---:|")
    for what, name, base, floor, goal in ROWS:
        ratio = figures[name] / figures[base]
        lines.append(
            f"| {what} | {figures[name]:,.0f} | {base} | {figures[base]:,.0f} "
            f"| **{ratio:.2f} x** | {floor:g} x | {goal:g} x |"
        )
    lines += ["", "| what, p99 | ms | floor | goal |", "|---|---:|---:|---:|"]
    lines += [f"| {what} | **{figures[name]:.1f}** | {floor:g} | {goal:g} |" for what, name, floor, goal in TIMES]
    lines += ["", "| a signed bet's CPU | us | over our own door's | at most |", "|---|---:|---:|---:|"]
    for dialect in DIALECTS:
        cost, ratio = figures[f"bet of {dialect}, us"], figures[f"CPU of {dialect}"]
        apart = f", its RSA ({figures['hub88 RSA, us']:.0f} us) apart" if dialect == "hub88" else ""
        lines.append(f"| `{dialect}`{apart} | {cost:.0f} | **{ratio:.2f} x** | {MOST_CPU:g} x |")
    lines += ["", "| figure | value |", "|---|---:|"]
    lines += [f"| {name} | {value:,.1f} |" for name, value in figures.items()]
    return "\n".join(lines)


def write(table: str) -> None:
    page = PROJECT / "docs" / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
