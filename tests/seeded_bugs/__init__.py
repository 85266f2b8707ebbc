"""Bugs that are put into a copy of the product one by one, and the test that must notice each (docs/proof.md)."""
