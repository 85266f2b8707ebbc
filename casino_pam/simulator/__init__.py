"""A fake game provider: signs and plays over HTTP, retries, repeats, delivers late and out of order.

The demo's heartbeat and a load generator. It keeps a journal of every definite answer and compares
it, line by line, with the ledger when it is done.
"""
