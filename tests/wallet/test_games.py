"""Games have names; a file of them is taken whole or not at all; what providers send unlisted is listed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from casino_pam.engine import commands
from tests import operators, scenario
from tests.backoffice.list_scenario import taken
from tests.wallet import report_history
from wallet import games
from wallet.admin.date_fields import today
from wallet.models import AuditEntry, Game, Provider


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()
    scenario.alice()
    acme = Provider.objects.get(code="acme")
    Game.objects.create(provider=acme, code="old", name="Old one", category="live", enabled=False)


def told() -> set[tuple[Any, ...]]:
    return set(Game.objects.values_list("provider__code", "code", "name", "category", "enabled"))


def imported(tmp_path: Path, content: str | bytes) -> tuple[str, str]:
    """What the command says and what it complains of."""
    file = tmp_path / "games.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_games", str(file), stdout=out, stderr=err)
    except CommandError as error:
        err.write(str(error))
    return out.getvalue(), err.getvalue()


OLD = ("acme", "old", "Old one", "live", False)


def test_a_file_makes_and_changes_games_and_leaves_the_others(house: None, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(games, "STRIDE", 2)
    content = (
        "\ufeffprovider,code,name,category,enabled\r\n"
        'acme,book-of-days,"Book, of Days",slots,yes\r\n'
        "\r\n"
        "acme,dice,Würfel,,no\r\n"
        "zenith,old,Another,live,Yes\r\n"
    )
    out, err = imported(tmp_path, content)
    assert (out, err) == ("2 of 3\n3 of 3\nMade 3, changed 0, found as they were 0.\n", "")
    assert told() == {
        OLD,
        ("acme", "book-of-days", "Book, of Days", "slots", True),
        ("acme", "dice", "Würfel", "", False),
        ("zenith", "old", "Another", "live", True),
    }
    # Columns that are left out stay as they are; what was said before is no change.
    out, _ = imported(tmp_path, "code;provider;name\nold;acme;New name\ndice;acme;Würfel\nroulette;zenith;\n")
    assert out.endswith("Made 1, changed 1, found as they were 1.\n")
    assert {("acme", "old", "New name", "live", False), ("zenith", "roulette", "", "", True)} <= told()
    out, _ = imported(tmp_path, "provider,code\nacme,old\nacme,bare\n")
    assert out.endswith("Made 1, changed 0, found as they were 1.\n")
    entry = AuditEntry.objects.filter(act="import games").latest("id")
    assert (entry.actor, entry.subject, entry.after) == (
        "command:import_games",
        "games.csv",
        {"made": 1, "changed": 0, "unchanged": 1},
    )


def test_every_fault_of_a_file_is_named_and_nothing_is_changed(house: None, tmp_path: Path) -> None:
    content = (
        "provider,code,name,category,enabled\n"
        "acme,good,Good,slots,yes\n"
        "nobody,x,X,slots,yes\n"
        "acme, ,X,slots,yes\n"
        "acme,y,X,slots,perhaps\n"
        "acme,z,X\n"
        f"acme,long,{'n' * 129},{'c' * 65},no\n"
        "acme,good,Again,slots,yes\n"
        "acme,tab,a\tb,slots,yes\n"
    )
    out, err = imported(tmp_path, content)
    assert out == ""
    assert err.splitlines() == [
        "line 3: there is no provider 'nobody'",
        "line 4: the code must be 1 to 128 printable ASCII characters",
        "line 5: enabled is 'perhaps': it must be yes or no",
        "line 6: it has 3 fields, the header 5",
        "line 7: the name must be at most 128 printable characters",
        "line 7: the category must be at most 64 printable characters",
        "line 8: acme good stands on line 2 already",
        "line 9: the name must be at most 128 printable characters",
        "8 faults; no game was changed.",
    ]
    assert told() == {OLD}
    assert not AuditEntry.objects.filter(act="import games").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", 'the column "provider" is missing'),
        ("provider,code\n", "The file names no game."),
        ("code,title\nx,y\n", "there is no column 'title'"),
        ("provider,code,code\n", 'the column "code" stands twice'),
        (b"provider,code\nacme,\xff\n", "not UTF-8: byte 19"),
        ('provider,code\nacme,"x\n', "unexpected end of data"),
        ("provider,code\nacme,\x00\n", "printable ASCII"),
    ],
)
def test_what_is_no_file_of_games_is_refused(house: None, tmp_path: Path, content: str | bytes, said: str) -> None:
    out, err = imported(tmp_path, content)
    assert said in err
    assert (out, told()) == ("", {OLD})


def test_a_file_that_is_not_there_is_named(house: None) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_games", "/nowhere/games.csv")


def test_names_stand_beside_codes_wherever_a_game_is_shown(house: None) -> None:
    acme = Provider.objects.get(code="acme")
    Game.objects.create(provider=acme, code="slot-1", name="Book of Days")
    at = commands.now()
    scenario.bet(reference="b-1", at=at)
    scenario.bet(reference="b-2", source="zenith", at=at)
    session = scenario.opened("session-of-alice", "alice")
    client = operators.sue()
    wallet = scenario.Wallet.objects.get()
    row = wallet.transactions.get(reference="b-1")
    for address, said in (
        (reverse("admin:index"), 'Book of Days <span class="unit">slot-1</span>'),
        (reverse("admin:wallet_transaction_changelist"), "Book of Days"),
        (reverse("admin:wallet_wallet_change", args=[wallet.pk]), "Book of Days"),
        (reverse("admin:wallet_player_change", args=[wallet.player_id]), "Book of Days"),
        (reverse("admin:wallet_transaction_change", args=[row.pk]), "Book of Days"),
        (reverse("admin:wallet_gamesession_changelist"), "Book of Days"),
        (reverse("admin:wallet_gamesession_change", args=[session.pk]), "Book of Days"),
        (reverse("admin:wallet_game_changelist"), "Book of Days"),
        (f"{reverse('backoffice:round')}?wallet={wallet.pk}&source=acme&round=round-1", "Book of Days"),
        (f"{reverse('backoffice:report', args=['revenue'])}?since={today()}&until={today()}&per=source.game", "Book"),
        (f"{reverse('backoffice:report', args=['open-rounds'])}", "Book of Days"),
        (f"{reverse('backoffice:statement_print', args=[wallet.pk])}", "Book of Days"),
    ):
        body = client.get(address).content.decode()
        assert said in body, address
    # Another provider's game of that code is another game.
    assert games.names([("zenith", "slot-1"), ("acme", "")]) == {}


def test_games_that_providers_send_unlisted_are_found_in_the_sums(house: None, tmp_path: Path) -> None:
    at = commands.now()
    for number in range(3):
        scenario.bet(game="brand-new", round=f"r-{number}", amount="1.00", at=at)
    scenario.bet(game="old", round="r-9", amount="1.00", at=at)
    scenario.bet(game="dice", source="zenith", round="r-9", amount="1.00", at=at)
    scenario.bob("5.00")
    scenario.bet("bob", game="long-ago", round="r-8", amount="1.00", at=at - 40 * scenario.DAY)
    report_history.refreshed()
    client = operators.of("administrator")
    answer = client.get(reverse("backoffice:unlisted_games"))
    assert [(game.provider, game.code, game.bets) for game in answer.context["unlisted"]] == [
        ("acme", "brand-new", 3),
        ("zenith", "dice", 1),
    ]
    acme = Provider.objects.get(code="acme")
    add = f"{reverse('admin:wallet_game_add')}?provider={acme.pk}&amp;code=brand-new"
    assert add in answer.content.decode()
    assert 'value="brand-new"' in client.get(add.replace("&amp;", "&")).content.decode()
    lines = taken(client, reverse("backoffice:unlisted_games_file"))
    assert lines[0] == {"provider": "acme", "code": "brand-new", "name": "", "category": "", "enabled": "yes"}
    file = client.get(reverse("backoffice:unlisted_games_file"))
    assert file.headers["Content-Disposition"].endswith('"unlisted-games.csv"')
    filled = "provider,code,name,category,enabled\n" + "".join(
        f"{line['provider']},{line['code']},A name,,yes\n" for line in lines
    )
    imported(tmp_path, filled)
    assert b"Every game is listed" in client.get(reverse("backoffice:unlisted_games")).content
