"""As much of curl as docs/api.md uses, for machines without it.

Usage: ``python -m tests.docs.curl [-s] [-X M] [-H H] [-d D] URL``.

The answer goes to stdout and its status to stderr.
"""

import argparse
import sys
import urllib.error
import urllib.request


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    asked = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in asked.headers)
    body = None if asked.body is None else asked.body.encode()
    request = urllib.request.Request(asked.url, body, headers, method=asked.method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    print(answer.read().decode())
    print(answer.status, file=sys.stderr)


if __name__ == "__main__":
    main()
