"""How long each page takes on a grown ledger: of the back office all that one can open, and the player's.

Asked over HTTP of the product's own web workers by somebody who may see everything, each several times in turn; its
queries are counted apart, in this process.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.processor_time import Meter

if TYPE_CHECKING:
    from django.test import Client

TIMES = 7
# Reports may take as long as what they sum up.
REPORT = "report"


class Page(NamedTuple):
    """A page, how long it took, what of that was CPU here and in PostgreSQL, and how many queries it asked."""

    name: str
    cpu_ms: float
    ms: float
    queries: int


def measured(port: int) -> list[Page]:
    """Every page, the slowest first."""
    own = _operator()
    cookie = {"Cookie": "; ".join(f"{each.key}={each.value}" for each in own.cookies.values())}
    bearer = {"Authorization": f"Bearer {_token()}"}
    found = []
    for name, address in _addresses():
        headers = bearer if address.startswith("/api/") else cookie
        meter = Meter()
        took = _took(port, address, headers)
        if took is not None:
            cost = meter.cost(TIMES + 1)
            cpu = (cost.app_us + cost.database_us) / 1000
            found.append(Page(name, cpu, took, _queries(own, address, headers)))
    return sorted(found, key=lambda page: -page.ms)


def _took(port: int, address: str, headers: dict[str, str]) -> float | None:
    """Milliseconds in the middle of several; None for what is no page of its own: a refusal, or what leads on."""
    times = []
    for _ in range(TIMES + 1):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        began = time.perf_counter()
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        whole = answer.read()
        times.append(1000 * (time.perf_counter() - began))
        connection.close()
        if answer.status != 200 or not (answer.headers.get_content_type() == "application/json" or b"<html" in whole):
            return None
    # The first may find a worker that has not seen the page yet.
    return median(times[1:])


def _operator() -> Client:
    """Somebody who may see everything."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(HTTP_HOST="127.0.0.1")
    sue = User.objects.create_superuser("bench")
    client.force_login(sue, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _token() -> str:
    from casino_pam import tokens
    from wallet.models import Wallet

    return tokens.issue(_busiest(Wallet).player.code, time.time())[0]


def _queries(own: Client, address: str, headers: dict[str, str]) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        own.get(address, headers=headers)
    return len(captured)


def _busiest(model: Any) -> Any:
    """The wallet with the longest statement."""
    return model.objects.select_related("player").order_by("-version").first()


def _addresses() -> Iterator[tuple[str, str]]:
    """Every address that can be opened, of the rows with most behind them."""
    from django.contrib import admin
    from django.urls import get_resolver, reverse
    from django.urls.exceptions import NoReverseMatch

    from wallet.models import Transaction, Wallet

    wallet = _busiest(Wallet)
    row = Transaction.objects.filter(wallet=wallet, kind="BET").order_by("-version").first()
    subjects = {"wallet_player": wallet.player_id, "wallet_wallet": wallet.id, "wallet_transaction": row.id}
    for model in admin.site._registry:
        of = f"{model._meta.app_label}_{model._meta.model_name}"
        yield f"{of} list", reverse(f"admin:{of}_changelist")
        subject = subjects.get(of) or getattr(model._default_manager.first(), "pk", None)
        if subject is not None:
            yield f"{of} page", reverse(f"admin:{of}_change", args=[subject])
    yield "overview", reverse("admin:index")
    acts = {"player": wallet.player_id, "wallet": wallet.id, "limits": wallet.id, "transaction": row.id}
    for pattern in get_resolver("casino_pam.backoffice.urls").url_patterns:
        name, route = str(pattern.name), str(pattern.pattern)
        subject = acts.get(route.partition("/")[0])
        arguments: list[Any] = [] if "<" not in route else [subject]
        if name == "report":
            arguments = ["revenue"]
        if name.endswith(("_file", "_csv")) or arguments == [None]:
            continue
        try:
            yield name, reverse(f"backoffice:{name}", args=arguments)
        except NoReverseMatch:
            continue
    yield from _narrowed(wallet, row)


def _narrowed(wallet: Any, row: Any) -> Iterator[tuple[str, str]]:
    """Lists and statements as people narrow them, searches, and what the player's page asks."""
    from django.urls import reverse

    rows, statement = reverse("admin:wallet_transaction_changelist"), f"/admin/wallet/wallet/{wallet.id}/change/"
    yield "rows of a source", f"{rows}?source={row.source}"
    yield "refused rows", f"{rows}?status=REFUSED"
    yield "statement, old", f"{statement}?to=50"
    yield "statement of a kind", f"{statement}?kind=ADJUST"
    yield "a round", f"{reverse('backoffice:round')}?wallet={wallet.id}&source={row.source}&round={row.round}"
    yield "search for a reference", f"/admin/search/?q={row.reference}"
    yield "search for a player", f"/admin/search/?q={wallet.player.code}"
    yield "search for nothing there", "/admin/search/?q=nothing-of-that-name"
    yield "trail of a player", f"{reverse('admin:wallet_auditentry_changelist')}?player={wallet.player.code}"
    yield "the player's page", "/play"
    for asked in ("me", "me/wallets", "me/transactions", "me/bonuses", "me/offers", "me/limits", "me/reality-check"):
        yield f"the player's page: {asked}", f"/api/v1/{asked}?currency={wallet.currency_id}"
    yield "the player's page: a month", f"/api/v1/me/transactions?since={row.created_at:%Y-%m}-01T00:00:00Z"
