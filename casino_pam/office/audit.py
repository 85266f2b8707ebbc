"""What the acting pages write of what was done; the trail itself is the wallet's (wallet/audit.py)."""

from wallet.audit import DONE, REFUSED, REPEATED, WAITS, record

__all__ = ["DONE", "REFUSED", "REPEATED", "WAITS", "record"]
