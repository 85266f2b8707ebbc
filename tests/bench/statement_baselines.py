"""What PostgreSQL does on this machine without us: pgbench on the product's own tables.

Every variant writes whole ledger rows with all indexes, constraints and triggers on, and moves the
wallet they belong to; the digests are random, which costs less than the product's.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from casino_pam.local.os_support import postgresql_binaries
from tests.bench.bench_system import WALLETS

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


def pgbench(script: str, *, clients: int, seconds: int) -> float:
    """Transactions a second of a script; the clients' conflicts are retried, as a client would."""
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
    done = subprocess.run(
        argv, env={**os.environ, "PGPASSWORD": str(url.password)}, capture_output=True, text=True, check=False
    )
    Path(file.name).unlink()
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None or "aborted" in done.stderr:
        raise RuntimeError(f"pgbench failed: {done.stderr[:400]}")
    return float(found[1])


def five_statements(seconds: int) -> float:
    return pgbench(FIVE, clients=32, seconds=seconds)


def one_cte(seconds: int) -> float:
    return pgbench(ONE_CTE, clients=32, seconds=seconds)


def set_based(rows: int, seconds: int) -> float:
    """Rows a second of one statement of ``rows`` rows, on one connection, as a bulk loader would."""
    return rows * pgbench(_many(rows), clients=1, seconds=seconds)
