"""`python -m tests.docs.errors_page` writes docs/errors.md from the table of problems."""

from __future__ import annotations

import json

from casino_pam.local.os_support import PROJECT

PAGE = PROJECT / "docs" / "errors.md"

_HEAD = """# Errors

Every answer that is not a success is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, and
besides `code`, `retry` (may the very same request be sent again?), `request_id` and named facts. Programs read `code`,
`retry` and the facts; the sentences are for people and may change. A running server shows the same at `/problems/`, one
page for each code: that is where `type` leads.

<!-- made by `python -m tests.docs.errors_page` from casino_pam/problems.py -->
"""


def page() -> str:
    """The page as the table of problems makes it."""
    from casino_pam import problems
    from wallet.errors import STATUS

    parts = [_HEAD]
    for status in sorted(set(STATUS.values())):
        codes = [code for code in STATUS if STATUS[code] == status]
        advice = problems.advice(codes[0])
        parts.append(f"## {status}\n\nSend it again? {advice.resend}\n\nRoll it back? {advice.roll_back}\n")
        parts.append("| code | what it is | what it means |\n|---|---|---|")
        parts += [f"| `{code}` | {' | '.join(problems.TEXTS[code])} |" for code in codes]
        parts.append("\nFor example:\n\n```json\n" + json.dumps(problems.example(codes[0]), indent=1) + "\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
