"""The table of seeded bugs: edit it here, and nowhere else, when a text of the product or a test's name moves.

``old`` stands in ``file`` exactly once; ``test`` is the one that must fail when ``new`` stands there instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple


class Bug(NamedTuple):
    name: str
    what: str
    file: str
    old: str
    new: str
    test: str

    def has_its_place(self, root: Path) -> bool:
        file = root / self.file
        return file.exists() and file.read_text().count(self.old) == 1

    def put_into(self, text: str) -> str:
        return text.replace(self.old, self.new)


LEDGER: Final = "wallet/ledger.py"
STATE: Final = "wallet/state.py"
POSTING: Final = "casino_pam/engine/posting.py"
QUEUE: Final = "casino_pam/engine/queue.py"
WAGERING: Final = "bonus/wagering.py"
SIGNING: Final = "casino_pam/api/game/signing.py"

BUGS: Final = (
    # --- the ledger
    Bug(
        "no version check",
        "The UPDATE of a wallet no longer asks for the version that was read",
        LEDGER,
        "WHERE w.id = n.id AND w.version = n.seen",
        "WHERE w.id = n.id",
        "tests/engine/test_posting.py::test_a_stale_wallet_is_looked_at_again_and_its_neighbours_are_kept",
    ),
    Bug(
        "unique key swallowed",
        "A row whose reference is spent is dropped in silence, and its wallet moves all the same",
        LEDGER,
        "\nFROM unnest(%s::{ROW_TYPE}[]) n\n",
        "\nFROM unnest(%s::{ROW_TYPE}[]) n\nON CONFLICT DO NOTHING\n",
        "tests/engine/test_posting.py::test_a_reference_spent_meanwhile_in_another_wallet_is_seen_when_looking_again",
    ),
    Bug(
        "digest not chained",
        "Each row's digest rests on the wallet's first, and no longer on the row before it",
        LEDGER,
        "chain(wallet.digest or first_digest(wallet.id), line.text)",
        "chain(first_digest(wallet.id), line.text)",
        "tests/wallet/test_reconcile.py::TestCleanBooks::test_are_met_with_silence",
    ),
    Bug(
        "locks in no order",
        "Wallets are locked in the order in which they come",
        LEDGER,
        "ORDER BY u.id",
        "",
        "tests/engine/test_posting.py::test_wallets_are_locked_in_ascending_order_whatever_the_planner_knows",
    ),
    Bug(
        "locks descending",
        "Wallets are locked from the highest id down, against the order of older code",
        LEDGER,
        "ORDER BY u.id",
        "ORDER BY u.id DESC",
        "tests/engine/test_posting.py::test_wallets_are_locked_in_ascending_order_whatever_the_planner_knows",
    ),
    Bug(
        "time runs back",
        "A row takes the time of its request, though the row before it is younger",
        STATE,
        "row.created_at = max(self.newest_at, row.created_at)",
        "row.created_at",
        "tests/engine/test_rules_money.py::test_rule_30_version_order_is_time_order",
    ),
    Bug(
        "references before wallets",
        "The wallets are read once more after the rows that are named",
        "casino_pam/engine/loading.py",
        "    limits.know(book, begun)\n",
        "    ledger.read_wallets(session, book, {request.player for request in requests}, providers, games)\n"
        "    limits.know(book, begun)\n",
        "tests/engine/test_races.py::test_rows_that_were_read_are_never_older_than_their_wallets",
    ),
    # --- posting
    Bug(
        "answered before commit",
        "The COMMIT is left to travel with the next posting",
        POSTING,
        '        session.put("COMMIT")\n        session.send()\n',
        '        session.put("COMMIT")\n',
        "tests/engine/test_posting.py::test_listeners_hear_of_moved_wallets_after_the_commit_and_only_of_those",
    ),
    Bug(
        "lost COMMIT reply taken for failure",
        "A connection that breaks is answered as a fault of ours, though the posting may stand",
        POSTING,
        '        _lose(lost)\n        return [Busy("unavailable")] * len(requests)\n    except Refused as refusal:',
        '        _lose(lost)\n        return [Refused("internal")] * len(requests)\n    except Refused as refusal:',
        "tests/engine/test_killed_processes.py::test_a_commit_without_an_answer_is_looked_up_and_done_once",
    ),
    Bug(
        "no halving for a fault",
        "One command that cannot be stored fails all that were posted with it",
        POSTING,
        "            return _halves(requests, attempts)",
        '            return [Refused("internal")] * len(requests)',
        "tests/engine/test_posting_poison.py::test_a_poisoned_command_takes_nobody_with_it",
    ),
    Bug(
        "no halving for a race",
        "One command that loses for ever keeps all others of its batch waiting",
        POSTING,
        "wait for it.\n        return _halves(requests, attempts)",
        "wait for it.\n        return [Busy()] * len(requests)",
        "tests/engine/test_posting_poison.py"
        "::test_a_command_that_always_loses_keeps_nobody_waiting_and_is_not_overtaken",
    ),
    Bug(
        "locked row taken for a race",
        "A batch with one locked wallet is tried again as a whole",
        POSTING,
        "return _around(requests, locked, attempts)",
        "return [Busy()] * len(requests)",
        "tests/engine/test_queue_in_time.py::test_those_held_up_part_from_a_batch_and_the_others_post_at_once",
    ),
    Bug(
        "secrets_version not checked",
        "A request is posted although the secret that signed it was revoked meanwhile",
        POSTING,
        "if provider is None or provider.secrets_version != request.secrets_version:",
        "if provider is None:",
        "tests/api/game/test_game_signature.py::test_posts_nothing_when_the_secret_is_revoked_underway",
    ),
    Bug(
        "refusal not remembered",
        "A refused bet leaves no row, so that a late copy of it may be accepted",
        "casino_pam/engine/execution.py",
        "self.remember(entry, command, refusal)",
        "pass",
        "tests/engine/test_rules_refusals.py::test_rule_5_a_refusal_is_remembered_for_ever",
    ),
    Bug(
        "replay compares nothing",
        "A spent reference answers whatever is asked under it",
        "casino_pam/engine/replay.py",
        "differing = [] if undone else _differing(execution, row, command)",
        "differing: list[str] = []",
        "tests/engine/test_rules_idempotency.py::test_rule_4_a_reused_reference_is_told_which_fields_differ",
    ),
    Bug(
        "rollback by the request",
        "A rollback gives back the amount that it names, not the one that was taken",
        "casino_pam/engine/play.py",
        "    assert original is not None\n",
        "    assert original is not None\n"
        "    if command.amount is not None:\n"
        "        named = minor(entry.wallet, command.amount) or 0\n"
        '        original = __import__("msgspec").structs.replace(original, amount=named, cash_delta=-named)\n',
        "tests/engine/test_rules_rollbacks.py::test_rule_15_what_it_names_must_not_disagree",
    ),
    Bug(
        "limit judged outside the transaction",
        "A limit is judged on what was used before the posting began",
        "wallet/limits.py",
        "    totals = wallet.totals\n    reached",
        "    totals = limits.totals\n    reached",
        "tests/engine/test_limits.py::test_bets_of_one_posting_see_each_other",
    ),
    Bug(
        "excluded player's deposit taken",
        "A self-exclusion stops no deposit and no grant",
        "bonus/grants.py",
        "if wallet.player.excluded(at):",
        "if False:",
        "tests/engine/test_rules_money.py::test_rules_26_and_27_each_gate_stops_only_what_it_is_for",
    ),
    # --- time
    Bug(
        "deadline removed",
        "A statement of Django is waited for as long as PostgreSQL likes",
        "wallet/pg/connection.py",
        "if left is None or (timeout is not None and timeout < left):",
        "if True:",
        "tests/wallet/test_pool.py"
        "::TestDeadline::test_a_statement_is_not_waited_for_past_it_and_its_connection_is_closed",
    ),
    Bug(
        "deadline removed from posting",
        "A posting waits for PostgreSQL as long as it likes",
        "wallet/pg/session.py",
        "        left = deadline.remaining()\n",
        "        left = None\n",
        "tests/wallet/test_session.py::test_a_command_that_does_not_end_in_time_closes_the_connection",
    ),
    Bug(
        "flushed once",
        "What the socket does not take at once of a pipeline is never sent",
        "wallet/pg/session.py",
        "        yield from generators.send(pgconn)\n",
        "        pgconn.flush()\n",
        "tests/wallet/test_session.py::test_sends_all_of_a_pipeline_that_the_socket_takes_bit_by_bit[1024-2000000]",
    ),
    Bug(
        "batch bounded by requests",
        "A batch counts requests, so that 512 of a hundred operations each are one posting",
        QUEUE,
        "size += operations(waiting)",
        "size += 1",
        "tests/engine/test_queue.py::test_a_batch_is_bounded_by_operations_not_by_requests",
    ),
    Bug(
        "queue unbounded",
        "Requests are accepted that can only wait for a 503",
        QUEUE,
        "if self._closed or self._inside >= LONGEST_QUEUE:",
        "if self._closed:",
        "tests/engine/test_queue.py::test_a_full_queue_is_refused_at_once",
    ),
    Bug(
        "dead worker not replaced",
        "A posting thread that dies is missed by nobody",
        QUEUE,
        "            self._loop.call_soon_threadsafe(self._replace, worker)\n",
        "",
        "tests/engine/test_queue.py::test_a_dead_thread_is_replaced_and_its_requests_answered",
    ),
    Bug(
        "lost worker not replaced",
        "A posting thread that never comes back keeps its players for ever",
        QUEUE,
        "            self._replace(worker)\n        if",
        "        if",
        "tests/engine/test_queue.py::test_a_worker_that_does_not_come_back_is_replaced_and_its_players_are_free_again",
    ),
    Bug(
        "read-only primary is our fault",
        "SQLSTATE 25006 is answered 500",
        "wallet/pg/faults.py",
        'frozenset(("25006", "25P03", "25P04"))',
        'frozenset(("25P03", "25P04"))',
        "tests/wallet/test_database_faults.py::test_every_state_has_its_answer",
    ),
    Bug(
        "no Retry-After",
        "A 503 does not say when to come again",
        "casino_pam/problems.py",
        "_ASK_LATER: Final = frozenset((429, 503))",
        "_ASK_LATER: Final = frozenset((429,))",
        "tests/api/test_problems.py::test_says_when_to_come_back_only_where_waiting_helps",
    ),
    Bug(
        "ready without a write",
        "/readyz says ok on a server that takes no writes",
        "casino_pam/health.py",
        'if cursor.fetchone() != ("off",):',
        "if cursor.fetchone() is None:",
        "tests/server/test_health.py::test_not_ready_where_nothing_can_be_written",
    ),
    Bug(
        "migrate waits for locks",
        "A migration stands in the queue for a table as long as it takes, and every bet behind it",
        "casino_pam/management/commands/migrate.py",
        "SET lock_timeout = '{LOCK_MILLISECONDS}ms'",
        "SET lock_timeout = 0",
        "tests/deploys/test_migrate_command.py::test_stands_in_nobodys_way_while_it_waits_for_a_lock",
    ),
    # --- bonuses
    Bug(
        "wagering counted twice",
        "The repeat of a bet adds its contribution once more",
        "casino_pam/engine/replay.py",
        "    first.replayed = True\n",
        "    first.replayed = True\n"
        "    if row.bonus is not None:\n"
        "        execution.bonuses.change(execution.bonuses.by_id[row.bonus]).wagered += row.contribution\n",
        "tests/bonus/test_bonus_numbers.py::test_13_a_repeated_bet_moves_progress_once",
    ),
    Bug(
        "contribution recomputed",
        "A rollback takes back what the bet would count by today's categories",
        WAGERING,
        "    bonus = bonuses.change(bonuses.by_id[bet.bonus])\n",
        "    bonus = bonuses.change(bonuses.by_id[bet.bonus])\n"
        "    kind = category(entry.book, bet.source, bet.game or '')\n"
        "    spent = Split(-bet.cash_delta, -bet.bonus_delta)\n"
        "    bet.contribution = contribution(bonus.terms, spent, bet.source, bet.game or '', kind)\n",
        "tests/bonus/test_bonus_stakes.py"
        "::test_a_rollback_gives_back_the_recorded_contribution_whatever_the_game_is_now",
    ),
    Bug(
        "expiry forgotten",
        "A bonus past its time pays one more bet",
        "casino_pam/engine/execution.py",
        "        lifecycle.expire_due(self.bonuses, entry)\n",
        "",
        "tests/bonus/test_bonus_life.py::test_expiry_comes_before_the_named_row_and_the_next_bonus_after_it",
    ),
    Bug(
        "max_conversion ignored",
        "A bonus converts all that is left of it",
        "bonus/lifecycle.py",
        "max_conversion=terms.max_conversion,",
        "max_conversion=None,",
        "tests/bonus/test_bonus_numbers.py::test_9_of_a_balance_of_1500_a_thousand_becomes_cash_and_the_rest_leaves",
    ),
    Bug(
        "win of a dead bonus paid",
        "What a forfeited or expired bonus wins later is paid in cash",
        WAGERING,
        'return {"cash_delta": split.cash, "void_amount": split.bonus, **named}',
        'return {"cash_delta": split.cash + split.bonus, **named}',
        "tests/bonus/test_bonus_late.py::test_a_late_win_of_a_bonus_that_ended_otherwise_pays_its_cash_part_only",
    ),
    Bug(
        "stale wallet's bonus written",
        "A bonus is written although the wallet it was decided on had moved",
        "bonus/store.py",
        "if entry[0].wallet not in stale]",
        "if True]",
        "tests/bonus/test_bonus_races.py"
        "::test_what_a_stale_wallet_decided_is_not_written_of_a_bonus_that_stands_as_it_was_read",
    ),
    # --- doors
    Bug(
        "signature not over the path",
        "The same signature is good for every call",
        SIGNING,
        "% (path, timestamp, body)",
        '% (b"", timestamp, body)',
        "tests/api/game/test_signing.py::test_refuses_another_path_body_secret_or_time",
    ),
    Bug(
        "timestamp window open",
        "A request that was overheard may be sent again for years",
        SIGNING,
        "WINDOW_SECONDS: Final = 300",
        "WINDOW_SECONDS: Final = 10**12",
        "tests/api/game/test_signing.py::test_refuses_a_stale_or_future_timestamp",
    ),
    Bug(
        "path decoded before routing",
        "%62et leads where bet does, under another signature",
        "casino_pam/server/http_protocol.py",
        "self._take_call(self._game_door, url.path, url.query",
        "self._take_call(self._game_door, __import__('urllib.parse').parse.unquote_to_bytes(url.path), url.query",
        "tests/server/test_http_protocol.py::test_signs_the_path_as_it_was_sent",
    ),
    Bug(
        "reference scope ignored",
        "References of two players collide where the provider counts them by player",
        "casino_pam/api/game/dialects/door.py",
        "return scoped(player, reference) if self._per_player else reference",
        "return reference",
        "tests/api/game/test_game_answers.py::test_keeps_references_of_two_players_apart_where_the_provider_does",
    ),
    Bug(
        "repeated key not noticed",
        "Of two amounts in one signed body the last is taken, where the provider's own log may say the first",
        "casino_pam/api/strict_json.py",
        'if body.count(b":") != written.count(b":"):',
        "if False:",
        "tests/api/game/test_game_fields.py::test_refuses_a_repeated_key_wherever_it_stands",
    ),
    Bug(
        "API key's scope not checked",
        "Any key may do what any key may do",
        "casino_pam/api/rest/authentication.py",
        "if not isinstance(caller, ApiKey) or needed not in caller.scopes:",
        "if not isinstance(caller, ApiKey):",
        "tests/api/rest/test_rest_authentication.py::test_lets_in_a_key_with_the_scope_alone",
    ),
    Bug(
        "another player's bonuses readable",
        "The list of my bonuses has everybody's",
        "bonus/models.py",
        "self.filter(player__code=code)",
        "self.filter(player__code__isnull=False)",
        "tests/api/rest/test_rest_bonuses.py::test_no_player_reaches_another_players_bonus",
    ),
    Bug(
        "another player's bonus given up",
        "Whoever knows the id of a bonus may end it",
        "casino_pam/engine/bonuses.py",
        "if bonus is not None and bonus.wallet == wallet.id:",
        "if bonus is not None:",
        "tests/bonus/test_bonus_life.py::test_nobody_gives_up_another_players_bonus",
    ),
    Bug(
        "Origin not checked",
        "Any page may open a player's socket",
        "casino_pam/live/consumer.py",
        'if not from_our_pages(self.scope["headers"],',
        'if False and not from_our_pages(self.scope["headers"],',
        "tests/live/test_live_socket.py::test_a_foreign_page_is_refused_before_the_handshake_and_spends_nothing",
    ),
    Bug(
        "ticket usable twice",
        "A ticket for the socket stays good until its time is up",
        "casino_pam/tokens.py",
        ".getdel(_key(ticket))",
        ".get(_key(ticket))",
        "tests/live/test_live_tickets.py::test_a_ticket_is_spent_once",
    ),
    # --- people
    Bug(
        "log-in lock-out off",
        "Passwords may be guessed for ever",
        "casino_pam/settings.py",
        "AXES_FAILURE_LIMIT = 5\n",
        "AXES_FAILURE_LIMIT = 5_000\n",
        "tests/backoffice/test_admin_settings.py::test_five_failed_log_ins_lock_the_name_for_that_address",
    ),
    Bug(
        "author approves",
        "Whoever asked for an adjustment may approve it",
        "casino_pam/engine/approvals.py",
        "if approval.author == operator:",
        "if False:",
        "tests/engine/test_approvals.py::test_lets_nobody_decide_what_they_asked_for",
    ),
    Bug(
        "limit changed without a trail",
        "A limit is changed in another transaction than its row of the audit trail",
        "casino_pam/api/rest/player_views.py",
        "        with transaction.atomic():\n",
        "        if True:\n",
        "tests/api/rest/test_rest_player_limits.py::test_a_limit_stays_when_its_row_of_the_trail_cannot_be_written",
    ),
    Bug(
        "exclusion without a trail",
        "An exclusion is written in another transaction than its row of the audit trail",
        "casino_pam/engine/accounts.py",
        "    with transaction.atomic():\n        before = _taken(player).excluded_until\n        try:\n",
        "    if True:\n        before = _taken(player).excluded_until\n        try:\n",
        "tests/api/rest/test_rest_player_limits.py"
        "::test_an_exclusion_is_not_made_when_its_row_of_the_trail_cannot_be_written",
    ),
    Bug(
        "button without a trail",
        "An operator's act is written in another transaction than its row of the audit trail",
        "casino_pam/backoffice/actions/action_page.py",
        "        with transaction.atomic():\n",
        "        if True:\n",
        "tests/backoffice/test_action_refusals.py::test_an_act_is_undone_when_its_row_of_the_trail_cannot_be_written",
    ),
    Bug(
        "formulas in files",
        "A name that begins with = is calculated by whoever opens the file",
        "casino_pam/spreadsheet.py",
        'return "\'" + text',
        "return text",
        "tests/backoffice/test_report_pages.py::test_what_a_spreadsheet_would_calculate_is_written_as_text",
    ),
    Bug(
        "bet of another wallet not relied on",
        "A win is paid by a bet in another wallet that is rolled back at that moment",
        "casino_pam/engine/play.py",
        "        execution.book.rely_on(execution.book.wallets_by_id[named.wallet])\n",
        "        pass\n",
        "tests/engine/test_two_wallets.py"
        "::test_a_win_and_the_rollback_of_its_bet_in_another_wallet_are_both_carried_out_only_without_the_guard",
    ),
    Bug(
        "verification that has changed meanwhile",
        "A withdrawal is settled for a player whose verification was taken back at that moment",
        "wallet/ledger.py",
        "    if book.players_relied_on:\n",
        "    if False:\n",
        "tests/engine/test_verification.py"
        "::test_a_rejection_while_a_withdrawal_is_settled_slips_through_only_without_the_guard",
    ),
    Bug(
        "stale wallet of the same player",
        "A request is looked at again for a wallet that it never touched, and finds its own row",
        "casino_pam/engine/posting.py",
        "    if stale.isdisjoint(footprint):\n        return False\n",
        "    if stale.isdisjoint(footprint):\n"
        "        return any(wallet.id in stale for wallet in book.wallets.get(request.player, {}).values())\n",
        "tests/engine/test_two_wallets.py::test_a_first_bet_beside_one_on_a_stale_wallet_is_no_repeat",
    ),
    Bug(
        "facts of a refusal forgotten",
        "A repeated refusal no longer says which limit or lock it was",
        "casino_pam/engine/results.py",
        "    return msgspec.json.encode(facts).decode() if facts else None\n",
        "    return None\n",
        "tests/engine/test_rules_refusals.py::test_rule_5_a_repeated_refusal_keeps_its_facts",
    ),
    Bug(
        "paths decoded before they are matched",
        "A name with a slash in it is taken for two segments",
        "casino_pam/guard.py",
        '    return raw.decode("latin-1")\n',
        '    return str(scope["path"]) or raw.decode("latin-1")\n',
        "tests/api/rest/test_rest_guard.py::test_no_escape_makes_two_segments_of_one",
    ),
    Bug(
        "command without a trail",
        "The row of the audit trail is written in another transaction than the command of an operator",
        "casino_pam/engine/posting.py",
        "            session.send()\n            alongside(outcomes[0])\n    for wallet in stale:\n",
        "            session.send()\n"
        "    if alongside is not None:\n        alongside(outcomes[0])\n    for wallet in stale:\n",
        "tests/backoffice/test_action_refusals.py"
        "::test_a_command_is_not_posted_when_its_row_of_the_trail_cannot_be_written",
    ),
    # --- what was built since
    Bug(
        "repeat answered without its standby",
        "A repeat is answered by a row that a crash or an ended session left on the primary alone",
        POSTING,
        "        if _rests_on_rows(requests) and all(row.wallet in stale for row in book.added):\n",
        "        if False:\n",
        "tests/engine/test_unreplicated_rows.py"
        "::test_a_repeat_of_a_bet_that_only_the_primary_has_is_answered_when_the_standby_has_it",
    ),
    Bug(
        "transaction without an end",
        "A wallet stays locked for as long as PostgreSQL misses a way that was lost in the middle of a posting",
        POSTING,
        'f"{_TRANSACTION_SECONDS}s"',
        '"0"',
        "tests/engine/test_posting.py"
        "::test_a_posting_whose_way_is_lost_keeps_its_locks_no_longer_than_anybody_waits_for_it",
    ),
    Bug(
        "planner's settings not checked",
        "Wallets are locked in any order behind a pooler that nobody spoke of",
        LEDGER,
        "if touched and not book.is_planned:",
        "if False:",
        "tests/server/test_pgbouncer.py::test_nothing_is_posted_where_one_of_the_planners_settings_is_not_in_force",
    ),
    Bug(
        "backslash not quoted",
        "A backslash in a name is taken by PostgreSQL for the beginning of something else",
        LEDGER,
        "_special = re.compile(r'[,()\"\\\\]').search",
        "_special = re.compile(r'[,()\"]').search",
        "tests/engine/test_posting.py::test_a_name_that_means_something_to_postgresql_is_stored_as_it_was_sent",
    ),
    Bug(
        "silent host takes all the time",
        "Of several hosts one that swallows everything keeps us from the one that works",
        "wallet/pg/connection.py",
        "with _share(len(places) - tried):",
        "with nullcontext():",
        "tests/wallet/test_pool.py"
        "::TestSeveralHosts::test_the_one_that_works_is_found_in_time_and_is_the_first_from_then_on",
    ),
    Bug(
        "approved twice",
        "Of two that post what was approved the second does not notice, and its rows stay",
        "casino_pam/engine/approvals.py",
        "        elif not outcome.replayed:\n",
        "        elif False:\n",
        "tests/engine/test_approved_once.py::test_the_step_alone_lets_one_of_them_post",
    ),
    Bug(
        "large withdrawal paid by one",
        "A withdrawal above the currency's amount is settled by whoever asks first",
        "casino_pam/engine/approvals.py",
        "if above is None or hold.amount <= above:",
        "if True:",
        "tests/engine/test_approved_once.py::test_a_larger_one_waits_and_is_settled_once_by_another",
    ),
    Bug(
        "event outside the transaction",
        "A back end is told of what was undone",
        "casino_pam/engine/outbox.py",
        "            session.put(_INSERT, _columns(told))\n",
        "            own = connection.copy()\n"
        "            with own.cursor() as cursor:\n"
        "                cursor.execute(_INSERT, _columns(told))\n"
        "            own.close()\n",
        "tests/engine/test_events.py::test_what_is_undone_has_never_been_told",
    ),
    Bug(
        "event overtaken",
        "An event is sent before one that began earlier and is committed later",
        "casino_pam/delivery.py",
        "state = 'pending' AND {_SETTLED} AND player NOT IN (",
        "state = 'pending' AND player NOT IN (",
        "tests/server/test_delivery.py::test_an_event_that_is_committed_late_is_not_overtaken[True]",
    ),
    Bug(
        "job claimed by all",
        "Every scheduler that sees a due job runs it",
        "casino_pam/scheduler.py",
        "free = Job.objects.filter(_free(), name=name)",
        "free = Job.objects.filter(name=name)",
        "tests/server/test_scheduler.py::test_of_schedulers_that_see_the_same_due_job_at_once_one_runs_it[True]",
    ),
    Bug(
        "line of a list granted anew",
        "A grant of a list has another reference whenever it is carried out",
        "casino_pam/engine/bulk_grants.py",
        'return f"list:{of.pk}:{line.number}"',
        "return f\"list:{of.pk}:{line.number}:{__import__('uuid').uuid4()}\"",
        "tests/engine/test_bulk_grants.py"
        "::test_a_process_killed_in_any_part_leaves_nobody_with_two_and_the_next_run_grants_the_rest",
    ),
    Bug(
        "code good twice",
        "Whoever reads an operator's code over the shoulder may use it as well",
        "wallet/second_factor.py",
        "key=factor.key, last_step__lt=step)",
        "key=factor.key, last_step__lte=step)",
        "tests/backoffice/test_second_factor.py::test_each_code_is_good_once",
    ),
    Bug(
        "body not asked for",
        "A provider that asks first whether the body of its call may come hears nothing",
        "casino_pam/server/http_protocol.py",
        "            self.transport.write(CONTINUE)\n",
        "            pass\n",
        "tests/server/test_http_protocol.py::test_waits_for_a_body_that_asks_first_whether_it_may_come",
    ),
    Bug(
        "call before its turn",
        "A call that was sent behind another is carried out beside it, and may be answered first",
        "casino_pam/server/http_protocol.py",
        "        if earlier is None or earlier.response_complete:\n            self._start_asgi_task",
        "        if True:\n            self._start_asgi_task",
        "tests/server/test_http_protocol.py::test_answers_no_call_before_the_one_that_was_sent_before_it",
    ),
    Bug(
        "held up one by one",
        "When a standby is back, players whose rows it had kept locked wait for each other until their time is up",
        QUEUE,
        "            together = self._try_held(worker, batch)\n",
        "            self._try_held(worker, batch)\n",
        "tests/engine/test_queue.py::test_where_one_is_let_go_all_who_were_held_up_are_tried_at_once",
    ),
    # --- the list of open bets
    Bug(
        "round not opened again",
        "A round whose end is rolled back among the same rows is taken for ended, and leaves the list of open bets",
        "wallet/reports/open_bets.py",
        'f"{_unended(first, end)} UNION {_reopened(first, end)}"',
        "_unended(first, end)",
        "tests/wallet/test_open_bets.py::test_bet_end_and_what_undoes_it_may_all_be_above_the_bound",
    ),
)
