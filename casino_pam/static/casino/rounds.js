// The history: rows of the statement, those of one round together.

import { compare, grouped, isZero, sum } from "./money.js";
import { KINDS, named, OUTCOMES, REFUSALS, when } from "./words.js";
import { tableRow, write } from "./wallets.js";

// A stake without a win whose round nobody has ended counts as lost when it is so old.
const OPEN_FOR = 86_400_000;

export class Rounds {
  constructor(root, template) {
    this.root = root;
    this.template = template;
    this.rows = new Map();
    this.items = new Map();
  }

  // Take in rows of the statement, new ones or old ones, in any order.
  add(rows) {
    for (const row of rows) this.rows.set(row.transaction, row);
    this.render();
  }

  // Whether some of these rows stand here already, so that nothing is missing between them and the rest.
  joins(rows) {
    return rows.some((row) => this.rows.has(row.transaction));
  }

  clear() {
    this.rows.clear();
  }

  get empty() {
    return this.rows.size === 0;
  }

  render() {
    const groups = new Map();
    for (const row of newestFirst([...this.rows.values()])) {
      const key = row.round === null ? row.transaction : JSON.stringify([row.currency, row.source, row.round]);
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(row);
    }
    for (const [key, item] of this.items) {
      if (!groups.has(key)) {
        item.remove();
        this.items.delete(key);
      }
    }
    let place = this.root.firstElementChild;
    const played = new Set();
    for (const [key, rows] of groups) {
      const item = this.item(key, rows, played);
      // An item that stands where it belongs keeps its focus and stays open.
      if (item === place) place = place.nextElementSibling;
      else this.root.insertBefore(item, place);
    }
  }

  item(key, rows, played) {
    if (!this.items.has(key)) this.items.set(key, this.template.content.firstElementChild.cloneNode(true));
    const item = this.items.get(key);
    const [newest] = rows;
    const isRound = newest.round !== null;
    const result = isRound ? outcome(rows, played) : "";
    if (item.dataset.rows === String(rows.length) && item.dataset.outcome === result) return item;
    item.dataset.rows = rows.length;
    item.dataset.outcome = result;
    write(item.querySelector("strong"), isRound ? called(rows) : title(newest));
    const details = isRound ? [OUTCOMES[result], when(newest.created_at), summary(rows)] : [when(newest.created_at), asked(newest)];
    write(item.querySelector("small"), details.filter(Boolean).join(" · "));
    this.total(item.querySelector(".sum"), rows);
    item.querySelector("tbody").replaceChildren(...rows.toReversed().map((row) => tableRow([title(row), signed(moved(row), row.currency)])));
    return item;
  }

  total(node, rows) {
    const [row] = rows;
    if (row.kind === "settle") {
      // Nothing of the balance moves when it is paid out; how much it was is what a player looks for.
      node.dataset.sign = "0";
      write(node, `${grouped(row.amount)} ${row.currency}`);
      return;
    }
    const total = sum(rows.map(moved));
    node.dataset.sign = isZero(total) ? "0" : total.startsWith("-") ? "-" : "+";
    // What moved nothing shows nothing, so that no refused stake reads like a loss.
    write(node, rows.every((row) => isZero(moved(row))) ? "" : signed(total, rows[0].currency));
  }
}

// A round is called what its game is called.
function called(rows) {
  const played = rows.find((row) => row.game);
  return played?.game_name || named(played?.game ?? rows[0].round);
}

function newestFirst(rows) {
  return rows.sort((one, other) => (one.created_at < other.created_at ? 1 : one.created_at > other.created_at ? -1 : other.version - one.version));
}

// What a row moved of the money the player can see: held money is the player's own, on its way out.
function moved(row) {
  return sum([row.cash_delta, row.bonus_delta]);
}

// How a round came out for the player. `played`: the games of the newer rounds, by which an older one of theirs is over.
function outcome(rows, played) {
  const posted = rows.filter((row) => row.status === "posted");
  const has = (kind) => posted.some((row) => row.kind === kind);
  const game = JSON.stringify([rows[0].currency, rows[0].source, rows.find((row) => row.game)?.game]);
  const newer = played.has(game);
  played.add(game);
  if (!has("bet") && !has("win")) return "";
  const total = sum(posted.map(moved));
  if (!total.startsWith("-")) return isZero(total) ? (has("rollback") ? "returned" : "even") : "won";
  const over = newer || has("win") || has("end_round") || posted.some((row) => row.end_round);
  return over || Date.now() - Date.parse(rows[0].created_at) > OPEN_FOR ? "lost" : "open";
}

// What was asked for and refused.
function asked(row) {
  return row.status === "refused" ? `${grouped(row.amount)} ${row.currency}` : "";
}

function signed(amount, currency) {
  const plus = compare(amount, "0") > 0 ? "+" : "";
  return `${plus}${grouped(amount)} ${currency}`;
}

function title(row) {
  const kind = KINDS[row.kind] ?? row.kind;
  if (row.status === "refused") return `${kind} refused: ${REFUSALS[row.refusal] ?? row.refusal}`;
  return row.status === "void" ? `${kind}, void` : kind;
}

function summary(rows) {
  const bets = rows.filter((row) => row.kind === "bet" && row.status === "posted").length;
  const wins = rows.filter((row) => row.kind === "win" && row.status === "posted").length;
  const count = (many, one, more) => (many ? `${many} ${many === 1 ? one : more}` : "");
  return [count(bets, "bet", "bets"), count(wins, "win", "wins")].filter(Boolean).join(", ") || title(rows[0]);
}
