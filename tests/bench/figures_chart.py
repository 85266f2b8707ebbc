"""The figures as two pictures for docs/performance.md: how many a second, and what each costs. Plain SVG."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape

from casino_pam.local.os_support import PROJECT

FOLDER = PROJECT / "docs" / "pictures"
WIDTH, LABELS, BAR, GAP = 900, 330, 22, 12
ROOM = WIDTH - LABELS - 130

_STYLE = """
    text { fill: #1d2433; } .small { font-size: 12.5px; fill: #4b5468; }
    .ours { fill: #2f6fde; } .theirs { fill: #9aa5b8; } .database { fill: #e0a13a; }
    @media (prefers-color-scheme: dark) {
      text { fill: #eef1f7; } .small { fill: #b9c2d4; }
      .ours { fill: #6ea0ff; } .theirs { fill: #69748a; } .database { fill: #e8b763; }
    }"""


class Bar(NamedTuple):
    """A line of a picture: what it is called, its pieces (a class and how much), and what is written behind it."""

    label: str
    pieces: tuple[tuple[str, float], ...]
    said: str


# What people call each figure; ours first.
RATES = {
    "door 128": "signed bets, 128 connections",
    "door 32": "signed bets, 32 connections",
    "door hot 32": "all on one wallet, 32 connections",
    "lean, one CTE": "pgbench, one statement, lean tables",
    "lean, five statements": "pgbench, five statements, lean tables",
    "five statements": "pgbench, five statements, our tables",
    "plain DRF 32": "plain DRF + ORM",
    "plain DRF hot 32": "plain DRF + ORM, all on one wallet",
}
COSTS = {
    "bulk operations": "an operation of bulk",
    "door 128": "a signed bet, 128 connections",
    "door 32": "a signed bet, 32 connections",
    "lean, one CTE": "pgbench, one statement, lean tables",
    "lean, five statements": "pgbench, five statements, lean tables",
    "five statements": "pgbench, five statements, our tables",
}


def write(figures: dict[str, float]) -> None:
    """Both pictures, of what was measured."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "rates.svg").write_text(rates(figures))
    (FOLDER / "costs.svg").write_text(costs(figures))


def rates(figures: dict[str, float]) -> str:
    bars = [
        Bar(label, (("ours" if name.startswith("door") else "theirs", figures[name]),), f"{figures[name]:,.0f}")
        for name, label in RATES.items()
        if name in figures
    ]
    return _picture("Bets a second: with signature, rules and bonuses, and what it is compared with", bars)


def costs(figures: dict[str, float]) -> str:
    bars = []
    for name, label in COSTS.items():
        if f"{name}, app us" in figures:
            app, database = figures[f"{name}, app us"], figures[f"{name}, PostgreSQL us"]
            kind = "theirs" if "pgbench" in label else "ours"
            bars.append(Bar(label, ((kind, app), ("database", database)), f"{app:,.0f} + {database:,.0f} µs"))
    return _picture("CPU of an operation in µs: the application, and PostgreSQL in yellow", bars)


def _picture(title: str, bars: list[Bar]) -> str:
    longest = max((sum(value for _, value in bar.pieces) for bar in bars), default=1.0)
    height = 50 + len(bars) * (BAR + GAP)
    drawn = "\n".join(_drawn(bar, 44 + number * (BAR + GAP), ROOM / longest) for number, bar in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif"'
        f' font-size="15" role="img" aria-labelledby="t">\n  <title id="t">{escape(title)}</title>\n'
        f"  <style>{_STYLE}\n  </style>\n"
        f'  <text x="0" y="20">{escape(title)}</text>\n{drawn}\n</svg>\n'
    )


def _drawn(bar: Bar, top: int, scale: float) -> str:
    left, parts = float(LABELS), []
    for kind, value in bar.pieces:
        width = max(value * scale, 1.0)
        parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}"/>')
        left += width
    line = top + BAR - 6
    label = f'<text class="small" x="{LABELS - 10}" y="{line}" text-anchor="end">{escape(bar.label)}</text>'
    return f'  {label}{"".join(parts)}<text class="small" x="{left + 8:.1f}" y="{line}">{escape(bar.said)}</text>'
