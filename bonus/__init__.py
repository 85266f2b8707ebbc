"""Offers, and the bonuses granted from them. May import `wallet`, never `casino_pam`."""
