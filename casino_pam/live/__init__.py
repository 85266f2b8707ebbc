"""Live progress: after every commit the players' open sockets are told (docs/live.md)."""
