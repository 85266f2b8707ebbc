"""`manage.py demo`: the logins, keys and tokens of the demo house, and lines to paste."""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from casino_pam import demo
from casino_pam.local import demo_data


class Command(BaseCommand):
    help = "Print the demo's logins, keys and fresh player tokens, with curl lines to paste."

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--load", action="store_true", help="make whatever of the demo is missing, print nothing")
        how.add_argument("--json", action="store_true", help="print one JSON object for scripts")
        how.add_argument("--shell", action="store_true", help="print what a shell's eval makes variables of")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            # Also before printing: what is printed has to work, whoever changed a password meanwhile.
            demo_data.load()
            if options["load"]:
                return
            found = demo.description()
        except demo.NotADemo as refusal:
            raise CommandError(str(refusal)) from None
        if options["shell"]:
            self.stdout.write(variables(found))
        else:
            self.stdout.write(json.dumps(found, indent=2) if options["json"] else told(found))


def told(found: dict[str, Any]) -> str:
    """The demo for people."""
    base, player = found["base_url"], found["players"][0]
    operators = [f"  {each['username']:<6} {each['password']}  ({each['role']})" for each in found["operators"]]
    players = [f"  {each['player']:<8} {each['currency']}  {each['token']}" for each in found["players"]]
    return "\n".join(
        [
            f"Admin: {base}/admin/",
            *operators,
            "",
            "Players, and their tokens for the next 15 minutes:",
            *players,
            "",
            f"API key:  {found['api_key']}",
            f"Provider: {found['provider']['code']}, secret {found['provider']['secret']}",
            "Providers that speak a dialect (hub88 signs with a key of its own: manage.py certify makes one):",
            *[f"  {each['dialect']:<12} {each['address']}  secret {each['secret']}" for each in found["dialects"]],
            "",
            "A deposit:",
            deposit_line(base, found["api_key"], player),
            "",
            "A bet, signed as the provider signs it (bash):",
            bet_lines(base, found["provider"], player),
            "",
            "What the player sees:",
            f"  {base}/play#token={player['token']}",
            f"  curl -s {base}/api/v1/me/wallets -H 'Authorization: Bearer {player['token']}'",
        ]
    )


def variables(found: dict[str, Any]) -> str:
    """The demo for a shell, under the names that the lines of the documentation use."""
    provider = found["provider"]
    named = {
        "CASINO": found["base_url"],
        "KEY": found["api_key"],
        "PROVIDER": provider["code"],
        "SECRET": provider["secret"],
        "TOKEN": found["players"][0]["token"],
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in named.items())


def deposit_line(base: str, key: str, player: dict[str, str]) -> str:
    body = f'{{"player":"{player["player"]}","currency":"{player["currency"]}","reference":"try-\'$(date +%s%N)\'"'
    return (
        f"  curl -s {base}/api/v1/deposits -H 'Authorization: Api-Key {key}' -H 'Content-Type: application/json' \\\n"
        f'    -d \'{body},"amount":"25.00"}}\''
    )


def bet_lines(base: str, provider: dict[str, str], player: dict[str, str]) -> str:
    body = f'{{"player":"{player["player"]}","currency":"{player["currency"]}","reference":"try-\'$(date +%s%N)\'"'
    return "\n".join(
        [
            f'  body=\'{body},"round":"try","game":"book-of-days","amount":"1.00"}}\'',
            "  now=$(date +%s)",
            r"""  signature=$(printf 'POST\n/api/game/v1/bet\n%s\n%s' "$now" "$body" |""",
            f'    python3 -c \'import hmac, sys; print(hmac.new(b"{provider["secret"]}", sys.stdin.buffer.read(),'
            ' "sha256").hexdigest())\')',
            f"  curl -s {base}/api/game/v1/bet -H 'Content-Type: application/json' \\",
            f'    -H \'X-Provider: {provider["code"]}\' -H "X-Timestamp: $now" -H "X-Signature: $signature" \\',
            '    -d "$body"',
        ]
    )
