"""The game door: signed calls of game providers, a plain ASGI application in front of Django's."""
