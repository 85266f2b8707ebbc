"""Faults on purpose: proxies, killers, lock holders, clients that journal, a checker (docs/reliability.md)."""
