"""``manage.py backup``: a server is lost; what comes back is proven, and held against a provider's file."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from casino_pam.local.os_support import PROJECT
from casino_pam.local.servers import PostgreSQL, Servers
from tests.prepared_servers import prepared_servers
from tests.running_system import eventually

_TOP = """
import sys
import django
django.setup()
from casino_pam.engine import commands
from tests import scenario
"""
_FIRST = """
scenario.catalogue()
scenario.player('alice', '500.00')
"""
_BETS = """
for reference in %r:
    scenario.bet(reference=reference, amount='1.00', round=reference, at=commands.now())
"""
_FILE = """
from tests.wallet.sample_provider_files import line_of, written
from wallet.models import Transaction
rows = Transaction.objects.filter(kind='BET').order_by('id')
sys.stdout.write(written(map(line_of, rows)).decode())
"""


def python(servers: Servers, code: str) -> str:
    environment = os.environ | servers.environment | {"DJANGO_SETTINGS_MODULE": "casino_pam.settings"}
    argv = [sys.executable, "-c", _TOP + code]
    return subprocess.run(argv, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def backup(servers: Servers, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "backup", *argv],
        cwd=PROJECT,
        env=os.environ | servers.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ran(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate()
    return process.returncode, output


def archived(server: PostgreSQL) -> bool:
    with server.connect() as connection:
        query = (
            "SELECT flush_lsn >= pg_current_wal_lsn() FROM pg_stat_replication WHERE application_name = 'pg_receivewal'"
        )
        record = connection.execute(query).fetchone()
    return record is not None and bool(record[0])


def test_a_lost_server_is_recovered_to_an_instant_and_a_providers_file_names_what_the_lost_minutes_held(
    tmp_path: Path,
) -> None:
    with prepared_servers() as servers:
        server = servers.running[0]
        assert isinstance(server, PostgreSQL)
        superuser = f"postgres://postgres:{server.superuser_password}@127.0.0.1:{server.port}/postgres"
        python(servers, _FIRST)
        archive = backup(servers, "archive", str(tmp_path), "--url", superuser)
        try:
            eventually(lambda: archived(server), "the archive")
            code, output = ran(backup(servers, "base", str(tmp_path), "--url", superuser))
            assert (code, "is complete" in output) == (0, True), output
            python(servers, _BETS % (["b-1", "b-2", "b-3"],))
            until = datetime.now(UTC).isoformat()
            python(servers, _BETS % (["b-4", "b-5"],))
            theirs = tmp_path / "acme.csv"
            theirs.write_text(python(servers, _FILE))
            eventually(lambda: archived(server), "the last of the log")
        finally:
            server.kill()
            archive.terminate()
            archive.communicate()
        told = ("--file", f"acme:{datetime.now(UTC).date()}:{theirs}")
        code, output = ran(backup(servers, "rehearse", str(tmp_path), "--until", until, *told))
        assert code == 1, output
        assert "the books balance" in output and "2 differences" in output
        assert "b-4" in output and "b-5" in output and "b-3" not in output
        code, output = ran(backup(servers, "rehearse", str(tmp_path), *told))
        assert code == 0, output
        assert "the books balance" in output and "they agree" in output
        code, output = ran(backup(servers, "rehearse", str(tmp_path), "--until", "2026-01-01T00:00:00Z"))
        assert (code, "no base backup" in output) == (2, True), output
