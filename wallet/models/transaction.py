"""One row of the ledger. Rows are only ever added; the database refuses anything else."""

import pgtrigger
from django.db import models
from django.db.models import F, Func, Q

from wallet.kinds import KINDS, PLAY, SHARING, STATUSES, WIN_SOURCES, Kind, Status
from wallet.models.people import Wallet
from wallet.money import MAX_AMOUNT, MAX_BALANCE

_NOTHING = Q(cash_delta=0, bonus_delta=0, held_delta=0)
_MONEY_OUT = -F("cash_delta") - F("bonus_delta")
_MONEY_IN = F("cash_delta") + F("bonus_delta")

# Rows of these kinds undo or end another row; posted, they name it.
_CLOSING = (Kind.ROLLBACK, Kind.SETTLE, Kind.RELEASE)

# These take what a bonus has come to, which many wins may have made.
_ENDING = (Kind.CONVERT, Kind.FORFEIT, Kind.EXPIRE)

# What each kind may do to the three balances (DESIGN.md §5), as the database's own second guard.
_MOVES: dict[str, Q] = {
    Kind.DEPOSIT: Q(cash_delta=F("amount"), bonus_delta=0, held_delta=0),
    Kind.HOLD: Q(cash_delta=-F("amount"), bonus_delta=0, held_delta=F("amount")),
    Kind.SETTLE: Q(cash_delta=0, bonus_delta=0, held_delta=-F("amount")),
    Kind.RELEASE: Q(cash_delta=F("amount"), bonus_delta=0, held_delta=-F("amount")),
    Kind.BET: Q(cash_delta__lte=0, bonus_delta__lte=0, held_delta=0, amount=_MONEY_OUT),
    Kind.WIN: Q(cash_delta__gte=0, bonus_delta__gte=0, held_delta=0, amount=_MONEY_IN + F("void_amount")),
    Kind.ROLLBACK: Q(held_delta=0)
    & (
        Q(cash_delta__gte=0, bonus_delta__gte=0, amount=_MONEY_IN + F("void_amount"), shortfall=0)
        | Q(
            cash_delta__lte=0,
            bonus_delta__lte=0,
            amount=_MONEY_OUT + F("void_amount") + F("shortfall"),
        )
    ),
    Kind.END_ROUND: _NOTHING & Q(amount=0),
    Kind.GRANT: Q(cash_delta=0, bonus_delta=F("amount"), held_delta=0),
    Kind.CONVERT: Q(cash_delta__gte=0, cash_delta__lte=F("amount"), bonus_delta=-F("amount"), held_delta=0),
    Kind.FORFEIT: Q(cash_delta=0, bonus_delta=-F("amount"), held_delta=0),
    Kind.EXPIRE: Q(cash_delta=0, bonus_delta=-F("amount"), held_delta=0),
    Kind.ADJUST: Q(cash_delta=F("amount"), bonus_delta=0, held_delta=0),
}


def no_truncate() -> pgtrigger.Trigger:
    """Refuses TRUNCATE, which asks no trigger of rows."""
    return pgtrigger.Trigger(
        name="no_truncate",
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
    )


def append_only() -> list[pgtrigger.Trigger]:
    """The triggers of a table whose rows are only ever added."""
    return [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete), no_truncate()]


def _check(name: str, condition: Q | Func) -> models.CheckConstraint:
    return models.CheckConstraint(name=f"ledger_{name}", condition=condition)


def _clean() -> Func:
    """No text of a row holds a control character but the separator of scoped references (0x1F).

    The digest joins columns by LF: what stood in one column could else be read as two.
    """
    columns = ("source", "reference", "round", "game", "original", "original_kind", "win_source", "refusal")
    return Func(
        *map(F, (*columns, "actor", "reason")),
        function="concat",
        template=r"%(function)s(%(expressions)s) !~ '[\x01-\x1e\x7f]'",
        output_field=models.BooleanField(),
    )


def _moves_agree() -> Q:
    """Each kind moves only what it may; a refused or void row moves nothing."""
    agree = Q(status__in=(Status.REFUSED, Status.VOID), contribution=0, void_amount=0) & _NOTHING
    for kind, moves in _MOVES.items():
        agree |= Q(status=Status.POSTED, kind=kind) & moves
    return agree


class Transaction(models.Model):
    """One row of the ledger; takes its wallet to version ``version``.

    Amounts are minor units of the wallet's currency, contributions minor units x basis points.
    ``command`` is the id of the row that spent the caller's reference: one command may leave
    several rows. ``bonus`` is a plain uuid, because the wallet can be read without the bonus app.
    ``reason`` is an operator's words, or else, of a refused row, the refusal's named facts as JSON, and of a release
    the code of why (RELEASE_REASONS).
    """

    id = models.UUIDField(primary_key=True)
    command = models.UUIDField()
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="transactions", db_index=False)
    version = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=[(k, k) for k in KINDS])
    status = models.CharField(max_length=8, choices=[(s, s) for s in STATUSES])
    source = models.CharField(max_length=64)
    reference = models.CharField(max_length=300)
    round = models.CharField(max_length=128, null=True)
    game = models.CharField(max_length=128, null=True)
    amount = models.BigIntegerField()
    cash_delta = models.BigIntegerField()
    bonus_delta = models.BigIntegerField()
    held_delta = models.BigIntegerField()
    cash_after = models.BigIntegerField()
    bonus_after = models.BigIntegerField()
    held_after = models.BigIntegerField()
    staked_total = models.BigIntegerField()
    paid_total = models.BigIntegerField()
    deposited_total = models.BigIntegerField()
    bonus = models.UUIDField(null=True)
    contribution = models.BigIntegerField(default=0)
    wagered_after = models.BigIntegerField(null=True)
    original = models.CharField(max_length=300, null=True)
    original_kind = models.CharField(max_length=16, null=True)
    closes = models.UUIDField(null=True)
    win_source = models.CharField(max_length=16, null=True, choices=[(s, s) for s in WIN_SOURCES])
    ends_round = models.BooleanField(default=False)
    late = models.BooleanField(default=False)
    captured = models.BooleanField(default=False)
    void_amount = models.BigIntegerField(default=0)
    shortfall = models.BigIntegerField(default=0)
    refusal = models.CharField(max_length=32, null=True)
    actor = models.CharField(max_length=150, null=True)
    reason = models.CharField(max_length=500, null=True)
    digest = models.BinaryField(max_length=32)
    digest_version = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField()
    # False for a bet that counts for no bonus: a tip.
    wagering = models.BooleanField(default=True, db_default=True)
    # Whether bets and wins of its source share their references, so that no other of these may have this one.
    shares_reference = models.BooleanField(default=False, db_default=False)

    class Meta:
        permissions = [
            ("view_withdrawals", "Can view the queue of withdrawals"),
            ("settle_withdrawal", "Can settle and release withdrawals"),
            ("rollback_bet", "Can roll a bet back by hand"),
        ]
        constraints = [
            models.UniqueConstraint(name="ledger_reference", fields=["source", "reference", "kind"]),
            models.UniqueConstraint(
                name="ledger_shared_reference",
                fields=["source", "reference"],
                condition=Q(kind__in=SHARING, shares_reference=True),
            ),
            models.UniqueConstraint(name="ledger_version", fields=["wallet", "version"]),
            models.UniqueConstraint(
                name="ledger_closes",
                fields=["closes"],
                condition=Q(status=Status.POSTED, closes__isnull=False),
            ),
            _check("kind", Q(kind__in=KINDS)),
            _check("moves", _moves_agree()),
            _check("version_positive", Q(version__gte=1)),
            _check(
                "amount",
                Q(amount__range=(0, MAX_AMOUNT))
                | Q(kind=Kind.ADJUST, amount__range=(-MAX_AMOUNT, MAX_AMOUNT))
                | Q(kind__in=_ENDING, amount__range=(0, MAX_BALANCE)),
            ),
            _check(
                "balances",
                Q(cash_after__gte=0, bonus_after__gte=0, held_after__gte=0)
                & Q(cash_after__lte=MAX_BALANCE, bonus_after__lte=MAX_BALANCE)
                & Q(held_after__lte=MAX_BALANCE),
            ),
            _check("totals", Q(staked_total__gte=0, paid_total__gte=0, deposited_total__gte=0)),
            _check(
                # Money that could not move is a posted win's or rollback's, a shortfall a rollback's only.
                "extras",
                Q(void_amount=0, shortfall=0)
                | Q(status=Status.POSTED, kind=Kind.WIN, void_amount__gte=0, shortfall=0)
                | Q(status=Status.POSTED, kind=Kind.ROLLBACK, void_amount__gte=0, shortfall__gte=0),
            ),
            _check("contribution", Q(contribution=0) | Q(bonus__isnull=False)),
            _check("one_line", _clean()),
            _check(
                # A void rollback may have found nothing to undo.
                "closing",
                Q(kind__in=_CLOSING) & (Q(closes__isnull=False) | ~Q(status=Status.POSTED))
                | Q(closes__isnull=True) & ~Q(kind__in=_CLOSING),
            ),
            _check(
                # A posted deposit keeps here why its offer was not granted.
                "refusal",
                Q(refusal__isnull=False, status=Status.REFUSED)
                | Q(refusal__isnull=True) & ~Q(status=Status.REFUSED)
                | Q(status=Status.POSTED, kind=Kind.DEPOSIT),
            ),
        ]
        indexes = [
            # A wallet's round, and all wallets that have one of that name.
            models.Index(name="ledger_rounds", fields=["round", "wallet"], condition=Q(round__isnull=False)),
            # What is no play, by kind and in order of time: few rows beside those of games.
            models.Index(name="ledger_beside_play", fields=["kind", "id"], condition=~Q(kind__in=PLAY)),
            # A bonus's rows, newest first: its page, and the stakes that are not settled yet.
            models.Index(name="ledger_bonus", fields=["bonus", "created_at"], condition=Q(bonus__isnull=False)),
            # Which deposit is the first, and how much was deposited since when.
            models.Index(name="ledger_deposits", fields=["wallet", "created_at"], condition=Q(kind=Kind.DEPOSIT)),
            # A wallet's withdrawals; which wallets have open ones is known by the money they hold.
            models.Index(name="ledger_holds", fields=["wallet", "created_at"], condition=Q(kind=Kind.HOLD)),
            # The withdrawals of a money source in order of time.
            models.Index(name="ledger_withdrawals", fields=["source", "id"], condition=Q(kind=Kind.HOLD)),
            # What was corrected by hand: rare, and looked at before it is done again.
            models.Index(name="ledger_adjustments", fields=["wallet", "created_at"], condition=Q(kind=Kind.ADJUST)),
            models.Index(
                name="ledger_answers",
                fields=["wallet", "original"],
                condition=Q(kind=Kind.WIN, original__isnull=False),
            ),
            # A command's further rows: few commands have any.
            models.Index(name="ledger_command", fields=["command"], condition=~Q(command=F("id"))),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.kind} {self.source}/{self.reference}"
