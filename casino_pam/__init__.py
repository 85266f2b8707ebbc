"""The project: doors, verbs, settings. May import `bonus` and `wallet`."""
