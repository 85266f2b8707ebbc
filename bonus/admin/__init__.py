"""Where operators write offers and look at the bonuses made of them.

A bonus can be read here and nothing else: what acts on one is a command.
"""

from bonus.admin import bonuses, offers

__all__ = ["bonuses", "offers"]
