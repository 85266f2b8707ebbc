"""Where operators write offers and look at the bonuses made of them.

A bonus can be read here and nothing else: what acts on one is a command.
"""

from bonus.admin import bonus_admin, offer_admin

__all__ = ["bonus_admin", "offer_admin"]
