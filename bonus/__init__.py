"""Keeps the promises. May import `wallet`, never `casino_pam`."""
