// The history: rows of the statement, those of one round together.

import { compare, grouped, isZero, sum } from "./money.js";
import { KINDS, named, REFUSALS, when } from "./words.js";
import { tableRow, write } from "./wallets.js";

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
    for (const [key, rows] of groups) {
      const item = this.item(key, rows);
      // An item that stands where it belongs keeps its focus and stays open.
      if (item === place) place = place.nextElementSibling;
      else this.root.insertBefore(item, place);
    }
  }

  item(key, rows) {
    if (!this.items.has(key)) this.items.set(key, this.template.content.firstElementChild.cloneNode(true));
    const item = this.items.get(key);
    if (item.dataset.rows === String(rows.length)) return item;
    item.dataset.rows = rows.length;
    const [newest] = rows;
    const isRound = newest.round !== null;
    write(item.querySelector("strong"), isRound ? named(rows.find((row) => row.game)?.game ?? newest.round) : title(newest));
    write(item.querySelector("small"), `${when(newest.created_at)}${isRound ? ` · ${summary(rows)}` : ""}`);
    this.total(item.querySelector(".sum"), rows);
    item.querySelector("tbody").replaceChildren(...rows.toReversed().map((row) => tableRow([title(row), signed(moved(row), row.currency)])));
    return item;
  }

  total(node, rows) {
    const total = sum(rows.map(moved));
    node.dataset.sign = isZero(total) ? "0" : total.startsWith("-") ? "-" : "+";
    // What moved nothing shows nothing, so that no refused stake reads like a loss.
    write(node, rows.every((row) => isZero(moved(row))) ? "" : signed(total, rows[0].currency));
  }
}

function newestFirst(rows) {
  return rows.sort((one, other) => (one.created_at < other.created_at ? 1 : one.created_at > other.created_at ? -1 : other.version - one.version));
}

// What a row moved of the money the player can see: held money is the player's own, on its way out.
function moved(row) {
  return sum([row.cash_delta, row.bonus_delta]);
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
