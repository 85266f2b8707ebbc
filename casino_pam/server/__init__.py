"""How a web process is served: its sockets, bounded, and its workers."""
