"""The game door: signed calls of game providers, in front of Django and without ASGI (docs/decisions/0039)."""
