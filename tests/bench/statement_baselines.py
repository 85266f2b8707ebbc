"""What PostgreSQL does on this machine without us: pgbench on the product's own tables, and on two lean ones.

On the product's tables every variant writes whole ledger rows with all indexes, constraints and triggers on, and moves
the wallet they belong to; the digests are random, which costs less than the product's. The lean tables are what a
ledger cannot do without: a wallet has a balance and a version, a row its wallet, version, reference and amounts.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg

from casino_pam.local.os_support import postgresql_binaries
from tests.bench.bench_system import WALLETS
from tests.bench.processor_time import Cost, Meter

_COLUMNS = """id, command, wallet_id, version, kind, status, source, reference, round, game, amount, cash_delta,
 bonus_delta, held_delta, cash_after, bonus_after, held_after, staked_total, paid_total, deposited_total, contribution,
 ends_round, late, captured, void_amount, shortfall, actor, digest, digest_version, created_at"""


def _row(wallet: str, version: str, cash: str, name: str) -> str:
    return f"""gen_random_uuid(), gen_random_uuid(), {wallet}, {version}, 'BET', 'POSTED', 'pgbench', {name}, {name},
 'slot-1', 100, -100, 0, 0, {cash}, 0, 0, {version}, 0, 0, 0, false, false, false, 0, 0, 'pgbench',
 sha256('x'), 1, now()"""


_NAME = "'b-' || :client_id::text || '-' || :now::text"
_OWN = f"""\\set place random(0, {WALLETS} / 32 - 1)
\\set wallet 1 + :place * 32 + :client_id
\\set now random(1, 9000000000000000)
"""

# BEGIN, SELECT, INSERT, UPDATE ... WHERE version, COMMIT: five round trips, each client on wallets of its own.
FIVE = f"""{_OWN}BEGIN;
SELECT cash, version FROM wallet_wallet WHERE id = :wallet \\gset
INSERT INTO wallet_transaction ({_COLUMNS})
 VALUES ({_row(":wallet", ":version::bigint + 1", ":cash::bigint - 100", _NAME)});
UPDATE wallet_wallet SET cash = cash - 100, version = version + 1, digest = sha256('x') WHERE id = :wallet
 AND version = :version;
COMMIT;
"""

ONE_CTE = f"""{_OWN}WITH moved AS (
 UPDATE wallet_wallet SET cash = cash - 100, version = version + 1, digest = sha256('x') WHERE id = :wallet
 RETURNING id, version, cash)
INSERT INTO wallet_transaction ({_COLUMNS})
 SELECT {_row("moved.id", "moved.version", "moved.cash", _NAME)} FROM moved;
"""


def _many(rows: int) -> str:
    """One statement for ``rows`` bets, each on another wallet."""
    return f"""\\set first random(1, {WALLETS - rows})
\\set now random(1, 9000000000000000)
WITH moved AS (
 UPDATE wallet_wallet SET cash = cash - 100, version = version + 1, digest = sha256('x')
 WHERE id >= :first AND id < :first + {rows} RETURNING id, version, cash)
INSERT INTO wallet_transaction ({_COLUMNS})
 SELECT {_row("moved.id", "moved.version", "moved.cash", _NAME + " || '-' || moved.id::text")} FROM moved;
"""


LEAN_TABLES = f"""
CREATE TABLE IF NOT EXISTS lean_wallet (id bigint PRIMARY KEY, cash bigint NOT NULL CHECK (cash >= 0),
    version bigint NOT NULL);
CREATE TABLE IF NOT EXISTS lean_transaction (id uuid PRIMARY KEY, wallet_id bigint NOT NULL, version bigint NOT NULL,
    kind text NOT NULL, source text NOT NULL, reference text NOT NULL, amount bigint NOT NULL,
    cash_after bigint NOT NULL, created_at timestamptz NOT NULL,
    UNIQUE (wallet_id, version), UNIQUE (source, kind, reference));
INSERT INTO lean_wallet SELECT n, 1000000000000, 0 FROM generate_series(1, {WALLETS}) AS n ON CONFLICT DO NOTHING;
"""


def _lean_row(wallet: str, version: str, cash: str, name: str) -> str:
    return f"gen_random_uuid(), {wallet}, {version}, 'BET', 'pgbench', {name}, 100, {cash}, now()"


LEAN_FIVE = f"""{_OWN}BEGIN;
SELECT cash, version FROM lean_wallet WHERE id = :wallet \\gset
INSERT INTO lean_transaction
 VALUES ({_lean_row(":wallet", ":version::bigint + 1", ":cash::bigint - 100", _NAME)});
UPDATE lean_wallet SET cash = cash - 100, version = version + 1 WHERE id = :wallet AND version = :version;
COMMIT;
"""

LEAN_CTE = f"""{_OWN}WITH moved AS (
 UPDATE lean_wallet SET cash = cash - 100, version = version + 1 WHERE id = :wallet RETURNING id, version, cash)
INSERT INTO lean_transaction SELECT {_lean_row("moved.id", "moved.version", "moved.cash", _NAME)} FROM moved;
"""


def _many_lean(rows: int) -> str:
    return f"""\\set first random(1, {WALLETS - rows})
\\set now random(1, 9000000000000000)
WITH moved AS (
 UPDATE lean_wallet SET cash = cash - 100, version = version + 1
 WHERE id >= :first AND id < :first + {rows} RETURNING id, version, cash)
INSERT INTO lean_transaction
 SELECT {_lean_row("moved.id", "moved.version", "moved.cash", _NAME + " || '-' || moved.id::text")} FROM moved;
"""


class Pgbench(NamedTuple):
    """Operations a second, and what each has cost; the application is pgbench itself."""

    per_second: float
    cost: Cost


def pgbench(script: str, *, clients: int, seconds: int, rows: int = 1) -> Pgbench:
    """Run a script of so many rows each; the clients' conflicts are retried, as a client would."""
    url = urlsplit(os.environ["DATABASE_URL"])
    with tempfile.NamedTemporaryFile("w", suffix=".sql", delete=False) as file:
        file.write(script)
    argv = [
        str(postgresql_binaries().executable.with_name("pgbench")),
        "--no-vacuum",
        "-M",
        "prepared",
        "-f",
        file.name,
    ]
    argv += ["-c", str(clients), "-j", "2", "-T", str(seconds), "--max-tries", "1000"]
    argv += ["-h", "127.0.0.1", "-p", str(url.port), "-U", str(url.username), url.path[1:]]
    meter, before = Meter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        argv, env={**os.environ, "PGPASSWORD": str(url.password)}, capture_output=True, text=True, check=False
    )
    Path(file.name).unlink()
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None or "aborted" in done.stderr:
        raise RuntimeError(f"pgbench failed: {done.stderr[:400]}")
    per_second = rows * float(found[1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    operations = per_second * seconds
    return Pgbench(per_second, meter.cost(operations)._replace(app_us=own * 1e6 / operations))


def five_statements(seconds: int) -> Pgbench:
    return pgbench(FIVE, clients=32, seconds=seconds)


def one_cte(seconds: int) -> Pgbench:
    return pgbench(ONE_CTE, clients=32, seconds=seconds)


def set_based(rows: int, seconds: int) -> Pgbench:
    """One statement of ``rows`` rows, on one connection, as a bulk loader would."""
    return pgbench(_many(rows), clients=1, seconds=seconds, rows=rows)


def lean(seconds: int) -> Iterator[tuple[str, Pgbench]]:
    """The same on the two lean tables, each with its name."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(LEAN_TABLES)
        connection.execute("ANALYZE lean_wallet")
    yield "lean, five statements", pgbench(LEAN_FIVE, clients=32, seconds=seconds)
    yield "lean, one CTE", pgbench(LEAN_CTE, clients=32, seconds=seconds)
    yield "lean, 1000 rows a statement", pgbench(_many_lean(1000), clients=1, seconds=seconds, rows=1000)
