"""A small volume for the ledger's table, so that a disk can be full without filling the machine's.

It takes the right to mount. Where that is missing (an ordinary user, a container), there is none, and
the run says that the fault was left out.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from casino_pam.local.os_support import Place

ROOMY = "size=6g"
# What is left over when it is full: less than a page of a table.
LEFT = 4096


class Volume:
    """A file system in memory whose size can be changed while it is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Make it as small as what it holds. Raises OSError if it grows faster than that."""
        for _ in range(20):
            stat = os.statvfs(self.folder)
            used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
            if remount(self.folder, f"size={used + LEFT}"):
                return
        raise OSError(f"{self.folder} cannot be filled")

    def empty(self) -> None:
        """There is room again."""
        assert remount(self.folder, ROOMY)

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=False, capture_output=True)


def remount(folder: Path, size: str) -> bool:
    return subprocess.run(["mount", "-o", f"remount,{size}", folder], check=False, capture_output=True).returncode == 0


def small_volume(place: Place) -> Volume | None:
    """A new one that PostgreSQL may write to; None where nothing may be mounted."""
    folder = place.make("volume")
    owner = folder.stat()
    options = f"{ROOMY},uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
    )
    return Volume(folder) if mounting.returncode == 0 else None


def move_ledger(connection: psycopg.Connection[object], volume: Volume) -> None:
    """Put the ledger's table there; ``connection`` is the superuser's, on the product's database."""
    place = sql.Literal(str(volume.folder))
    connection.execute(sql.SQL("CREATE TABLESPACE small OWNER casino LOCATION {}").format(place))
    connection.execute("ALTER TABLE wallet_transaction SET TABLESPACE small")
