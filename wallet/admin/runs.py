"""What watches over the money: reconciliation's runs and checkpoints, and money that waits for approval."""

from __future__ import annotations

from django.contrib import admin
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from wallet import shown
from wallet.admin.pages import Window
from wallet.models import Approval, Checkpoint, ProviderRun, ReconciliationRun
from wallet.reconcile.findings import Discrepancy


def verdict(run: ReconciliationRun) -> SafeString:
    count = run.discrepancy_count
    if count == 0:
        return shown.badge("the books balance", "green")
    return shown.badge(f"{count} discrepanc{'y' if count == 1 else 'ies'}", "red")


def _linked(found: Discrepancy) -> SafeString:
    """What was found, leading to the row it was found in."""
    if found.wallet is None:
        return format_html("{}", str(found))
    link = reverse("admin:wallet_wallet_change", args=[found.wallet])
    return format_html('<a class="link" href="{}?to={}#statement">{}</a>', link, found.version or "", str(found))


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(Window):
    empty_text = "Nobody has proven the books yet: manage.py reconcile does, and leaves its findings here."
    list_display = ["started", "scope", "result", "wallets", "rows", "took"]
    ordering = ["-id"]
    fields = [("result", "scope"), ("started", "took"), ("wallets", "rows"), "seal", "found"]
    readonly_fields = ["result", "started", "took", "found"]

    @admin.display(description="Result")
    def result(self, run: ReconciliationRun) -> SafeString:
        return verdict(run)

    @admin.display(description="Started")
    def started(self, run: ReconciliationRun) -> SafeString:
        return shown.utc(run.started_at)

    @admin.display(description="Took")
    def took(self, run: ReconciliationRun) -> str:
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    @admin.display(description="Discrepancies")
    def found(self, run: ReconciliationRun) -> SafeString:
        """The first ones in full; the run itself printed them all."""
        lines = [(_linked(Discrepancy(**found)),) for found in run.discrepancies]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines)) if lines else shown.utc(None)


@admin.register(ProviderRun)
class ProviderRunAdmin(Window):
    empty_text = "No provider's file has been compared yet: manage.py reconcile_provider does it, and the upload page."
    list_display = ["started", "provider", "day", "result", "lines", "rows", "actor"]
    ordering = ["-id"]
    fields = [("result", "provider", "day"), ("started", "file", "actor"), ("lines", "rows"), "found"]
    readonly_fields = ["result", "started", "found"]

    @admin.display(description="Result")
    def result(self, run: ProviderRun) -> SafeString:
        count = run.difference_count
        if count == 0:
            return shown.badge("both agree", "green")
        return shown.badge(f"{count} difference{'' if count == 1 else 's'}", "red")

    @admin.display(description="Started")
    def started(self, run: ProviderRun) -> SafeString:
        return shown.utc(run.started_at)

    @admin.display(description="Differences")
    def found(self, run: ProviderRun) -> SafeString:
        """What it came to by sort and currency; each of them stands on the run's own page."""
        return render_to_string("admin/wallet/providerrun/found.html", {"run": run})


@admin.register(Checkpoint)
class CheckpointAdmin(Window):
    search_prefix = "wallet__player__code"
    search_help_text = "The beginning of the player's code"
    empty_text = "Reconciliation remembers here up to which row it has proven each wallet."
    list_display = ["owner", "version", "trust"]
    list_filter = ["suspect"]
    list_select_related = ["wallet__player"]
    ordering = ["wallet_id"]
    fields = [("owner", "version", "trust")]
    readonly_fields = ["owner", "trust"]

    @admin.display(description="Wallet")
    def owner(self, checkpoint: Checkpoint) -> str:
        return f"{checkpoint.wallet.player.code}, {checkpoint.wallet.currency_id}"

    @admin.display(description="State")
    def trust(self, checkpoint: Checkpoint) -> SafeString:
        return shown.switch(checkpoint.suspect, yes="suspect", no="proven", good=False)


@admin.register(Approval)
class ApprovalAdmin(Window):
    empty_text = "Adjustments and completions above a currency's threshold wait here for a second operator."
    list_display = ["asked", "act", "decision", "owner", "sum", "reason", "author", "approver"]
    list_filter = ["state", "act"]
    list_select_related = ["wallet__player", "wallet__currency"]
    ordering = ["-created_at"]
    fields = [
        ("act", "decision"),
        ("owner", "sum"),
        ("author", "asked", "reason"),
        ("approver", "decided", "decision_reason"),
        ("source", "reference"),
    ]
    readonly_fields = ["decision", "owner", "sum", "asked", "decided"]

    @admin.display(description="State")
    def decision(self, approval: Approval) -> SafeString:
        colours = {Approval.State.PENDING: "orange", Approval.State.APPROVED: "green", Approval.State.REJECTED: "red"}
        return shown.badge(approval.state, colours[Approval.State(approval.state)])

    @admin.display(description="Wallet")
    def owner(self, approval: Approval) -> str:
        return f"{approval.wallet.player.code}, {approval.wallet.currency_id}"

    @admin.display(description="Amount")
    def sum(self, approval: Approval) -> SafeString:
        return shown.amount(approval.amount, approval.wallet.currency)

    @admin.display(description="Asked")
    def asked(self, approval: Approval) -> SafeString:
        return shown.utc(approval.created_at)

    @admin.display(description="Decided")
    def decided(self, approval: Approval) -> SafeString:
        return shown.utc(approval.decided_at)
