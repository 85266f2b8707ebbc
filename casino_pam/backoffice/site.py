"""How the admin looks and where its links lead: django-unfold's settings, read by casino_pam/settings.py."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse_lazy


def environment(request: HttpRequest) -> list[str] | None:
    """The badge that tells a machine with known passwords from a real one."""
    return ["Demo", "warning"] if settings.DEMO else None


def may_see_trail(request: HttpRequest) -> bool:
    """ "History" leads to the audit trail, for those who may open it."""
    return request.user.has_perm("wallet.view_auditentry")


def stylesheet(request: HttpRequest) -> str:
    return static("wallet/admin.css")


def frame_stylesheet(request: HttpRequest) -> str:
    return static("wallet/frame.css")


def script(request: HttpRequest) -> str:
    return static("wallet/admin.js")


def palette_script(request: HttpRequest) -> str:
    return static("wallet/palette.js")


def storable_addresses(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: 400 for an address or a cookie with a NUL, which PostgreSQL could not compare with what it stores.

    The API answers such a query in its own words.
    """

    def checked(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/") and ("\0" in request.path or "%00" in request.META["QUERY_STRING"]):
            raise SuspiciousOperation("a NUL in the address")
        # In quotes a cookie may hold any character (`"\\000"`).
        if any("\0" in value for value in request.COOKIES.values()):
            raise SuspiciousOperation("a NUL in a cookie")
        return get_response(request)

    return checked


def _link(title: str, icon: str, model: str) -> dict[str, Any]:
    """A link in the side bar, for those who may open its page; ``model`` reads ``wallet_player``."""
    app, name = model.split("_")

    def allowed(request: HttpRequest) -> bool:
        return request.user.has_perm(f"{app}.view_{name}")

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": allowed,
    }


def _page(title: str, icon: str, name: str, permission: str) -> dict[str, Any]:
    """A link to a page of the back office, for those who may open it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(name),
        "permission": lambda request: request.user.has_perm(permission),
    }


_NAVIGATION: Final = [
    {
        "title": "Money",
        "items": [
            _page("Live", "monitoring", "backoffice:dashboard", "wallet.view_reports"),
            _link("Players", "group", "wallet_player"),
            _link("Wallets", "account_balance_wallet", "wallet_wallet"),
            _link("Sessions", "sports_esports", "wallet_gamesession"),
            _link("Transactions", "receipt_long", "wallet_transaction"),
            _page("Withdrawals", "payments", "backoffice:withdrawals", "wallet.view_withdrawals"),
            _page("Approvals", "how_to_reg", "backoffice:approvals", "wallet.view_approval")
            | {"badge": "casino_pam.backoffice.approval_pages.badge"},
            _link("Reconciliations", "balance", "wallet_reconciliationrun"),
            _page("Reports", "query_stats", "backoffice:reports", "wallet.view_reports"),
            _page("Provider files", "upload_file", "backoffice:provider_files", "wallet.reconcile_provider"),
            _link("Provider runs", "fact_check", "wallet_providerrun"),
        ],
    },
    {
        "title": "Bonuses",
        "separator": True,
        "items": [
            _link("Offers", "loyalty", "bonus_offer"),
            _link("Bonuses", "redeem", "bonus_bonus"),
            _page("Grant lists", "group_add", "backoffice:grant_lists", "bonus.view_bonus"),
        ],
    },
    {
        "title": "Catalogue",
        "separator": True,
        "items": [
            _link("Providers", "dns", "wallet_provider"),
            _link("Games", "casino", "wallet_game"),
            _link("Currencies", "payments", "wallet_currency"),
            _page("Jurisdictions", "gavel", "backoffice:jurisdictions", "wallet.view_player"),
        ],
    },
    {
        "title": "Access",
        "separator": True,
        "items": [
            _link("Operators", "badge", "auth_user"),
            _link("Roles", "shield_person", "auth_group"),
            _link("API keys", "key", "wallet_apikey"),
            _link("Audit trail", "fingerprint", "wallet_auditentry"),
        ],
    },
    {
        "title": "System",
        "separator": True,
        "items": [
            _page("Jobs", "schedule", "backoffice:jobs", "wallet.view_reconciliationrun"),
            _page("Events", "outbound", "backoffice:events", "wallet.view_endpoint"),
            _link("Endpoints", "webhook", "wallet_endpoint"),
        ],
    },
]

# Felt green, and greys that lean towards it; chosen for a contrast of 4.5 and more with white text.
_PRIMARY: Final = {
    "50": "oklch(98% .02 165)",
    "100": "oklch(95% .045 165)",
    "200": "oklch(90% .08 165)",
    "300": "oklch(83% .115 165)",
    "400": "oklch(74% .13 165)",
    "500": "oklch(62% .125 165)",
    "600": "oklch(50% .105 165)",
    "700": "oklch(43% .09 165)",
    "800": "oklch(36% .075 165)",
    "900": "oklch(30% .06 165)",
    "950": "oklch(22% .045 165)",
}

UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "Casino PAM",
    "SITE_HEADER": "Casino PAM",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "casino",
    "SITE_URL": None,
    "SHOW_HISTORY": may_see_trail,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "casino_pam.backoffice.site.environment",
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": reverse_lazy("backoffice:account")}]},
    "DASHBOARD_CALLBACK": "casino_pam.backoffice.overview.front_page",
    "STYLES": [stylesheet, frame_stylesheet],
    "SCRIPTS": [script, palette_script],
    "BORDER_RADIUS": "8px",
    "COLORS": {"primary": _PRIMARY},
    "SIDEBAR": {"show_search": True, "navigation": _NAVIGATION},
}
