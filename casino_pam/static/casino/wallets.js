// The cards of the wallets, each with its live bonus.

import { compare, grouped, isZero, less } from "./money.js";
import { named, timeLeft } from "./words.js";

const MILESTONES = [25, 50, 75];

// Writes only what differs: a frame may come twenty times a second, and assistive technology hears every write.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function field(root, name) {
  return root.querySelector(`[data-field="${name}"]`);
}

export class Wallets {
  // giveUp(bonus id), ended(currency, bonus id), news(text)
  constructor(root, template, hooks) {
    this.root = root;
    this.template = template;
    this.hooks = hooks;
    this.frames = new Map();
    this.cards = new Map();
    this.bonuses = new Map();
    setInterval(() => this.frames.forEach((frame) => this.facts(frame)), 30_000);
  }

  // Take in a frame. Versions never go back, whatever way they came.
  show(frame) {
    const before = this.frames.get(frame.currency);
    if (before && frame.version < before.version) return;
    this.frames.set(frame.currency, frame);
    const card = this.card(frame.currency);
    this.amounts(card, frame, before);
    this.progress(card, frame, before);
  }

  // What is known of the bonuses beside their progress.
  know(bonuses) {
    this.bonuses = new Map(bonuses.map((bonus) => [bonus.id, bonus]));
    this.frames.forEach((frame) => this.facts(frame));
  }

  tellEnd(currency, text) {
    const node = this.card(currency).querySelector(".ended");
    node.hidden = false;
    write(node, text);
  }

  card(currency) {
    if (!this.cards.has(currency)) {
      const card = this.template.content.firstElementChild.cloneNode(true);
      const title = card.querySelector(".currency");
      title.id = `wallet-${currency}`;
      title.textContent = currency;
      card.dataset.currency = currency;
      card.setAttribute("aria-labelledby", title.id);
      card.querySelector("[data-action]").addEventListener("click", () => {
        this.hooks.giveUp(this.frames.get(currency).wagering.bonus);
      });
      this.cards.set(currency, card);
      const later = [...this.cards.keys()].sort().find((other) => other > currency);
      this.root.insertBefore(card, later === undefined ? null : this.cards.get(later));
    }
    return this.cards.get(currency);
  }

  amounts(card, frame, before) {
    for (const name of ["balance", "cash", "bonus", "held"]) write(field(card, name), grouped(frame[name]));
    card.querySelector('[data-part="held"]').hidden = isZero(frame.held);
    const moved = before ? compare(frame.balance, before.balance) : 0;
    if (moved) this.flash(field(card, "balance"), moved > 0 ? "up" : "down");
  }

  flash(node, direction) {
    node.dataset.moved = direction;
    clearTimeout(node.fading);
    node.fading = setTimeout(() => delete node.dataset.moved, 150);
  }

  progress(card, frame, before) {
    const { wagering, currency } = frame;
    const old = before?.wagering;
    if (old && old.bonus !== wagering?.bonus) this.hooks.ended(currency, old.bonus);
    const section = card.querySelector(".bonus");
    section.hidden = !wagering;
    if (!wagering) return;
    const said = `${grouped(wagering.wagered)} of ${grouped(wagering.required)} wagered`;
    const bar = section.querySelector(".bar");
    bar.setAttribute("aria-valuenow", wagering.percent);
    bar.setAttribute("aria-valuetext", `${wagering.percent} %: ${said}`);
    bar.firstElementChild.style.transform = `translateX(${wagering.percent - 100}%)`;
    write(field(section, "percent"), `${wagering.percent} %`);
    write(field(section, "wagered"), said);
    if (old?.bonus === wagering.bonus) this.milestone(currency, old.percent, wagering.percent);
    else card.querySelector(".ended").hidden = true;
    this.facts(frame);
  }

  milestone(currency, from, to) {
    const passed = MILESTONES.filter((mark) => from < mark && mark <= to).pop();
    if (passed) this.hooks.news(`${currency}: ${passed} % of the wagering is done.`);
  }

  facts({ wagering, currency }) {
    if (!wagering) return;
    const section = this.card(currency).querySelector(".bonus");
    const bonus = this.bonuses.get(wagering.bonus);
    const terms = bonus?.terms;
    write(field(section, "offer"), bonus?.name ?? "Bonus");
    const waits = section.querySelector(".waits");
    waits.hidden = !bonus?.waits_for;
    // Set aside, it can be neither staked nor lost: none of what follows concerns it any more.
    section.querySelector(".facts").hidden = !waits.hidden;
    list(section.querySelector(".facts"), [
      ["Still to wager", grouped(less(wagering.required, wagering.wagered))],
      ["Time left", timeLeft(bonus?.expires_at)],
      ["Highest stake", terms?.max_stake ? grouped(terms.max_stake) : ""],
      ["Most that becomes cash", terms?.max_conversion ? grouped(terms.max_conversion) : ""],
    ]);
    showTerms(section.querySelector(".counts"), bonus);
  }
}

function list(node, facts) {
  const shown = facts.filter(([, value]) => value);
  while (node.children.length > shown.length) node.lastElementChild.remove();
  shown.forEach(([name, value], place) => {
    const [term, definition] = (node.children[place] ?? node.appendChild(pair())).children;
    write(term, name);
    write(definition, value);
  });
}

// What counts for a bonus, and all that was promised with it.
export function showTerms(details, bonus) {
  details.hidden = !bonus?.terms;
  if (details.hidden || details.dataset.bonus === bonus.id) return;
  details.dataset.bonus = bonus.id;
  details.querySelector("tbody").replaceChildren(...weights(bonus.terms).map(tableRow));
  list(details.querySelector("dl"), bonus.terms.said.map(({ about, said }) => [about, said]));
}

function pair() {
  const node = document.createElement("div");
  node.append(document.createElement("dt"), document.createElement("dd"));
  return node;
}

export function tableRow(cells) {
  const row = document.createElement("tr");
  for (const text of cells) row.appendChild(document.createElement("td")).textContent = text;
  return row;
}

// What each kind of play counts, the most specific first, as it is judged.
function weights({ weights: by, excluded }) {
  const share = (points) => (points === 0 ? "nothing" : `${points / 100} %`);
  const listed = (scope, called) => Object.entries(by[scope]).map(([name, points]) => [called(name), share(points)]);
  return [
    ...excluded.game.map((name) => [named(name), "not playable with bonus money"]),
    ...excluded.category.map((name) => [`All ${name} games`, "not playable with bonus money"]),
    ...listed("game", named),
    ...listed("category", (name) => `All ${name} games`),
    ...listed("provider", (name) => `Games of ${name}`),
    ["Everything else", share(by.default)],
  ];
}
