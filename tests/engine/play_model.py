"""A second opinion: PLAY.md's rules for cash, written down a second time as plainly as they can be.

It knows nothing of the product: a list of rows that is searched from end to end for every answer,
balances as integers, no batches of wallets, no indexes, no database. Where the two disagree, one
of them has misread the contract.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

UNPROCESSABLE = ("insufficient_funds", "wallet_locked", "player_excluded", "currency_disabled")
TELLING = (*UNPROCESSABLE, "rolled_back", "already_rolled_back", "round_closed", "has_payout", "unknown_original")
REMEMBERED = (*UNPROCESSABLE, "round_closed")
REMEMBERED_KINDS = ("BET", "HOLD", "DEPOSIT", "ADJUST")

DEFAULTS = {
    "replay_balance": "first",
    "zero_amount": "accept",
    "win_requires_bet": False,
    "late_win": "accept",
    "unknown_rollback": "void",
    "late_bet": "refuse",
    "rollback_after_win": "refuse",
    "rollback_wins": False,
    "win_rollback": "refuse",
    "share_references": False,
    "enabled": True,
}


@dataclass
class Answer:
    """What a caller is told; None where the contract says nothing."""

    word: str
    cash: int | None = None
    held: int | None = None
    version: int | None = None
    amount: int | None = None
    replayed: bool | None = None
    differing: tuple[str, ...] | None = None
    index: int | None = None


class No(Exception):
    def __init__(self, word: str, **told: Any) -> None:
        super().__init__(word)
        self.answer = Answer(word, **told)


@dataclass
class Row:
    kind: str
    reference: str
    wallet: Wallet
    status: str
    amount: int
    asked: dict[str, Any]
    cash: int = 0
    held: int = 0
    round: str | None = None
    ends: bool = False
    undoes: Row | None = None
    refusal: str | None = None
    # Of the command's last row: what the first answer showed.
    cash_after: int = 0
    held_after: int = 0
    version: int = 0


@dataclass(eq=False)
class Wallet:
    player: str
    currency: str
    cash: int = 0
    held: int = 0
    version: int = 0


@dataclass
class PlayModel:
    """Players with wallets, one provider, and every row there is."""

    profile: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    wallets: list[Wallet] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    locked: set[tuple[str, str]] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    shut_currencies: set[str] = field(default_factory=set)

    def ask(self, verb: str, **asked: Any) -> Answer | list[Answer]:
        if verb == "batch":
            return self.batch(**asked)
        try:
            answer: Answer = getattr(self, verb)(**asked)
        except No as no:
            return no.answer
        return answer

    # --- looking around ----------------------------------------------------------------------

    def wallet(self, player: str, currency: str | None) -> Wallet:
        """The wallet of that currency; the first-opened where none is named."""
        for wallet in self.wallets:
            if wallet.player == player and currency in (None, wallet.currency):
                return wallet
        known = any(wallet.player == player for wallet in self.wallets)
        raise No("unknown_wallet" if known else "unknown_player")

    def find(self, kind: str, reference: str) -> Row | None:
        return next((row for row in self.rows if (row.kind, row.reference) == (kind, reference)), None)

    def undone(self, row: Row) -> bool:
        return any(other.undoes is row and other.status == "posted" for other in self.rows)

    def live(self, row: Row) -> bool:
        return row.status == "posted" and not self.undone(row)

    def of_round(self, wallet: Wallet, round: str | None) -> list[Row]:
        return [row for row in self.rows if round is not None and row.wallet is wallet and row.round == round]

    def closed(self, wallet: Wallet, round: str | None) -> bool:
        return any(row.ends and self.live(row) for row in self.of_round(wallet, round))

    # --- answering ---------------------------------------------------------------------------

    def post(self, row: Row) -> Answer:
        wallet = row.wallet
        wallet.cash, wallet.held, wallet.version = wallet.cash + row.cash, wallet.held + row.held, wallet.version + 1
        row.cash_after, row.held_after, row.version = wallet.cash, wallet.held, wallet.version
        assert wallet.cash >= 0 and wallet.held >= 0, "the model itself would overdraw"
        self.rows.append(row)
        return self.receipt(row)

    def receipt(self, row: Row, *, replayed: bool = False, now: bool = False) -> Answer:
        moved = 0 if row.status == "void" else abs(row.cash) if row.kind == "ROLLBACK" else row.amount
        if now:
            return Answer(row.status, row.wallet.cash, row.wallet.held, row.wallet.version, moved, replayed)
        return Answer(row.status, row.cash_after, row.held_after, row.version, moved, replayed)

    def refuse(self, word: str, wallet: Wallet, **told: Any) -> No:
        return No(word, cash=wallet.cash if word in TELLING else None, **told)

    def remember(self, word: str, row: Row) -> No:
        """A refusal that is a row, too, where forgetting it would be dangerous (rule 5)."""
        if word not in REMEMBERED or row.kind not in REMEMBERED_KINDS:
            return self.refuse(word, row.wallet)
        row.status, row.refusal, row.cash, row.held, row.ends = "refused", word, 0, 0, False
        self.post(row)
        return No(word, cash=row.cash_after, version=row.version, replayed=False)

    def again(self, row: Row, wallet: Wallet, asked: dict[str, Any]) -> Answer:
        """Rules 2, 3, 4: the answer of a reference that was spent."""
        if row.wallet.player != wallet.player:
            raise No("reference_reused", differing=("player",))
        now = self.profile["replay_balance"] == "current" and row.kind in ("BET", "WIN", "ROLLBACK", "END_ROUND")
        if row.kind in ("BET", "WIN") and (row.status == "void" or self.undone(row)):
            if self.profile["late_bet"] == "refuse":
                raise self.refuse("rolled_back", wallet)
            return Answer("void", wallet.cash, wallet.held, wallet.version, 0, True)
        if differing := tuple(sorted(name for name in asked if self.differs(row, name, asked[name]))):
            raise No("reference_reused", differing=differing)
        if row.status == "refused":
            told = self.receipt(row, now=now)
            raise No(str(row.refusal), cash=told.cash, version=told.version, replayed=True)
        if self.was_unknown(row) and self.profile["unknown_rollback"] == "not_found":
            raise self.refuse("unknown_original", row.wallet)
        return self.receipt(row, replayed=True, now=now)

    def other_kind(self, kind: str, reference: str) -> Row | None:
        """Where bets and wins share their references: the row of the other of the two."""
        if not self.profile["share_references"]:
            return None
        return self.find("WIN" if kind == "BET" else "BET", reference)

    def again_as_another(self, row: Row, wallet: Wallet) -> Answer:
        """A bet whose reference a win has spent, or the other way round; a void one is neither."""
        if row.wallet.player != wallet.player:
            raise No("reference_reused", differing=("player",))
        if row.status != "void":
            raise No("reference_reused", differing=("kind",))
        if self.profile["late_bet"] == "refuse":
            raise self.refuse("rolled_back", wallet)
        return Answer("void", wallet.cash, wallet.held, wallet.version, 0, True)

    def differs(self, row: Row, name: str, value: Any) -> bool:
        """Optional names are compared where they are given; a void row knows only what it was told."""
        if name == "currency":
            return value is not None and value != row.wallet.currency
        optional = name in ("bet", "source", "original_kind") or (
            row.kind == "ROLLBACK" and name in ("amount", "round", "game")
        )
        if optional and value is None:
            return False
        stored = row.asked.get(name)
        if row.kind == "ROLLBACK" and row.status == "void" and name in ("amount", "round", "game") and not stored:
            return False
        return bool(value != stored)

    # --- the verbs ---------------------------------------------------------------------------

    def bet(
        self, player: str, currency: str, reference: str, round: str, game: str, amount: int, ends: bool = False
    ) -> Answer:
        if amount == 0 and self.profile["zero_amount"] == "refuse":
            raise No("invalid_field")
        wallet = self.wallet(player, currency)
        asked = {"currency": currency, "amount": amount, "round": round, "game": game}
        if spent := self.find("BET", reference):
            return self.again(spent, wallet, asked)
        if spent := self.other_kind("BET", reference):
            return self.again_as_another(spent, wallet)
        row = Row("BET", reference, wallet, "posted", amount, asked, cash=-amount, round=round, ends=ends)
        reasons = {
            "round_closed": self.closed(wallet, round),
            "player_excluded": player in self.excluded,
            "wallet_locked": (player, "bet") in self.locked,
            "currency_disabled": currency in self.shut_currencies,
            "forbidden": not self.profile["enabled"],
            "insufficient_funds": amount > wallet.cash,
        }
        return self.judge(row, reasons)

    def judge(self, row: Row, reasons: dict[str, bool]) -> Answer:
        for word, applies in reasons.items():
            if applies:
                raise self.remember(word, row)
        return self.post(row)

    def win(self, player: str, currency: str, reference: str, amount: int, ends: bool = False, **more: Any) -> Answer:
        round, game, bet, source = (more.get(name) for name in ("round", "game", "bet", "source"))
        wallet = self.wallet(player, currency)
        told = {"currency": currency, "amount": amount, "round": round, "game": game, "bet": bet}
        if spent := self.find("WIN", reference):
            return self.again(spent, wallet, {**told, "source": source})
        if spent := self.other_kind("WIN", reference):
            return self.again_as_another(spent, wallet)
        asked = {**told, "source": source or "game"}
        bets = [row for row in self.of_round(wallet, round) if row.kind == "BET" and row.status != "refused"]
        named = self.find("BET", bet) if bet is not None else None
        if named and (named.wallet.player != player or named.status == "refused"):
            named = None
        if asked["source"] == "game":
            if bet is not None:
                undone = named is not None and not self.live(named)
            else:
                undone = bool(bets) and not any(self.live(row) for row in bets)
            if undone:
                raise self.refuse("rolled_back", wallet)
        if self.closed(wallet, round) and self.profile["late_win"] == "refuse":
            raise self.refuse("round_closed", wallet)
        if bet is not None:
            answered = named is not None and named.wallet is wallet and self.live(named)
        else:
            answered = any(self.live(row) for row in bets)
        if self.profile["win_requires_bet"] and asked["source"] == "game" and not answered:
            raise self.refuse("unknown_original", wallet)
        return self.post(Row("WIN", reference, wallet, "posted", amount, asked, cash=amount, round=round, ends=ends))

    def rollback(
        self, player: str, reference: str, original: str, original_kind: str | None = None, **named: Any
    ) -> Answer:
        told = {name: named.get(name) for name in ("currency", "round", "game", "amount")}
        home = self.wallet(player, told["currency"])
        if spent := self.find("ROLLBACK", reference):
            return self.again(spent, home, {**told, "original": original, "original_kind": original_kind})
        kinds = [original_kind] if original_kind else ["BET", "WIN"]
        rows = [row for kind in kinds if (row := self.find(kind, original))]
        own = [row for row in rows if row.wallet.player == player]
        found = next(iter(own or rows), None)
        asked = {**told, "original": original, "original_kind": found.kind if found else kinds[0]}
        if not own or own[0].status != "posted":
            return self.void(home, reference, asked, found, known=bool(own))
        return self.undo(reference, asked, own[0])

    def void(self, home: Wallet, reference: str, asked: dict[str, Any], found: Row | None, *, known: bool) -> Answer:
        wallet = found.wallet if known and found and asked["currency"] is None else home
        if known and found and asked["amount"] is None:
            asked["amount"] = found.amount
        row = Row("ROLLBACK", reference, wallet, "void", asked["amount"] or 0, asked, undoes=found if known else None)
        answer = self.post(row)
        if found is None and not self.other_kind(asked["original_kind"], asked["original"]):
            void = Row(asked["original_kind"], asked["original"], wallet, "void", 0, {}, round=asked["round"])
            answer = self.post(void)
            row.version = void.version
        if self.was_unknown(row) and self.profile["unknown_rollback"] == "not_found":
            raise self.refuse("unknown_original", wallet)
        return answer

    def was_unknown(self, row: Row) -> bool:
        return row.kind == "ROLLBACK" and row.status == "void" and row.undoes is None

    def undo(self, reference: str, asked: dict[str, Any], original: Row) -> Answer:
        wallet = original.wallet
        stored = {**original.asked, "currency": wallet.currency}
        named = ("currency", "amount", "round", "game")
        differing = tuple(sorted(n for n in named if asked[n] is not None and asked[n] != stored[n]))
        if differing:
            raise No("original_mismatch", differing=differing)
        if self.undone(original):
            raise self.refuse("already_rolled_back", wallet)
        back = -original.cash
        if original.kind == "BET" and self.profile["rollback_after_win"] == "refuse" and self.has_payout(original):
            raise self.refuse("has_payout", wallet)
        if original.kind == "WIN" and not self.profile["rollback_wins"]:
            raise No("forbidden")
        if wallet.cash + back < 0:
            if self.profile["win_rollback"] == "refuse":
                raise self.refuse("insufficient_funds", wallet)
            back = -wallet.cash
        asked = {**asked, "amount": original.amount, "round": original.round, "game": original.asked["game"]}
        row = Row("ROLLBACK", reference, wallet, "posted", original.amount, asked, cash=back, undoes=original)
        row.round = original.round
        return self.post(row)

    def has_payout(self, bet: Row) -> bool:
        order = {id(row): place for place, row in enumerate(self.rows)}
        bets = [row for row in self.of_round(bet.wallet, bet.round) if row.kind == "BET" and row.status == "posted"]
        for win in self.rows:
            if win.kind != "WIN" or win.wallet.player != bet.wallet.player or not self.live(win):
                continue
            if win.asked["source"] not in ("game", "free_round"):
                continue
            if win.asked["bet"] is not None:
                if win.asked["bet"] == bet.reference:
                    return True
            elif win.wallet is bet.wallet and win.round == bet.round:
                came_after = order[id(win)] > order[id(bet)]
                if came_after or not any(order[id(other)] < order[id(win)] for other in bets):
                    return True
        return False

    def end_round(self, player: str, currency: str, reference: str, round: str) -> Answer:
        wallet = self.wallet(player, currency)
        asked = {"currency": currency, "round": round}
        if spent := self.find("END_ROUND", reference):
            return self.again(spent, wallet, asked)
        return self.post(Row("END_ROUND", reference, wallet, "posted", 0, asked, round=round, ends=True))

    def batch(self, operations: list[tuple[str, dict[str, Any]]]) -> Answer | list[Answer]:
        """All or nothing; of a refusal that is remembered its one row stays (rule 24)."""
        before = copy.deepcopy((self.wallets, self.rows))
        zero = self.profile["zero_amount"] == "refuse"
        if zero and any(verb == "bet" and asked["amount"] == 0 for verb, asked in operations):
            return Answer("invalid_field")
        answers = []
        for index, (verb, asked) in enumerate(operations):
            answer = self.ask(verb, **asked)
            assert isinstance(answer, Answer)
            if answer.word in ("posted", "void"):
                answers.append(answer)
                continue
            self.wallets[:], self.rows[:] = before
            remembered = verb == "bet" and answer.word in REMEMBERED and not answer.replayed
            wallet = self.wallets[0]
            if answer.cash is not None:
                wallet = self.wallet(asked["player"], asked["currency"])
                if not answer.replayed or self.profile["replay_balance"] == "current":
                    answer.cash = wallet.cash
                    answer.version = wallet.version + remembered if answer.version is not None else None
            if remembered:
                told = {name: asked[name] for name in ("currency", "amount", "round", "game")}
                row = Row("BET", asked["reference"], wallet, "refused", asked["amount"], told, round=asked["round"])
                row.refusal = answer.word
                self.post(row)
            answer.index = index
            return answer
        return answers

    def deposit(self, player: str, currency: str, reference: str, amount: int, captured: bool = False) -> Answer:
        reasons = {
            "player_excluded": player in self.excluded and not captured,
            "wallet_locked": (player, "deposit") in self.locked and not captured,
        }
        return self.move("DEPOSIT", player, currency, reference, amount, reasons, cash=amount)

    def hold(self, player: str, currency: str, reference: str, amount: int) -> Answer:
        reasons = {"wallet_locked": (player, "withdraw") in self.locked}
        return self.move("HOLD", player, currency, reference, amount, reasons, cash=-amount, held=amount)

    def adjust(self, player: str, currency: str, reference: str, amount: int) -> Answer:
        return self.move("ADJUST", player, currency, reference, amount, {}, cash=amount)

    def move(
        self,
        kind: str,
        player: str,
        currency: str,
        reference: str,
        amount: int,
        reasons: dict[str, bool],
        *,
        cash: int,
        held: int = 0,
    ) -> Answer:
        wallet = self.wallet(player, currency)
        asked = {"currency": currency, "amount": amount}
        if spent := self.find(kind, reference):
            return self.again(spent, wallet, asked)
        row = Row(kind, reference, wallet, "posted", amount, asked, cash=cash, held=held)
        return self.judge(row, {**reasons, "insufficient_funds": wallet.cash + cash < 0})

    def settle(self, **asked: Any) -> Answer:
        return self.end_hold("SETTLE", **asked)

    def release(self, **asked: Any) -> Answer:
        return self.end_hold("RELEASE", **asked)

    def end_hold(self, kind: str, player: str, currency: str, reference: str) -> Answer:
        wallet = self.wallet(player, currency)
        asked = {"currency": currency}
        if spent := self.find(kind, reference):
            return self.again(spent, wallet, asked)
        held = self.find("HOLD", reference)
        if held is None or held.status != "posted" or held.wallet is not wallet:
            raise No("unknown_withdrawal")
        other = self.find("RELEASE" if kind == "SETTLE" else "SETTLE", reference)
        if other:
            raise No("already_released" if kind == "SETTLE" else "already_settled")
        cash = held.amount if kind == "RELEASE" else 0
        return self.post(Row(kind, reference, wallet, "posted", held.amount, asked, cash=cash, held=-held.amount))
