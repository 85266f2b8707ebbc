"""The REST door: the casino's own back ends, and players with a token (PLAY.md §4)."""
