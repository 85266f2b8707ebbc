"""Keeps the money. Imports neither `bonus` nor `casino_pam`."""
