"""What runs in a process of its own: takes functions with arguments on stdin, returns results on stdout."""

import os
import pickle
import sys

import django

if __name__ == "__main__":
    # Whatever else is printed goes to stderr: stdout carries results alone.
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    django.setup()
    while True:
        try:
            act, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent
        except EOFError:
            break
        pickle.dump(act(*args), results)
        results.flush()
