// The player's own limits and breaks: seen, set, confirmed.

import { grouped } from "./money.js";
import { Refused } from "./rest.js";
import { timeLeft, untilWhen } from "./words.js";

const SUBJECTS = { deposit: "Deposits", stake: "Stakes", loss: "Net loss" };
const PERIODS = ["day", "week", "month"];
const SCOPES = {
  account: "A limit holds for your account.",
  currency: "A limit holds for its currency: what you do in another one does not count towards it.",
};
const DAY = 86_400_000;

// A change in a line: what, from what to what, when, and by whom.
function changed({ limit, currency, before, after, increase, available_at, at, by }) {
  const [subject, period] = limit.split("_");
  const amount = (text) => (text === null ? "no limit" : `${grouped(text)} ${currency}`);
  const said = [];
  if (before !== after) said.push(`${amount(before)} became ${amount(after)}`);
  if (available_at !== null) said.push(`${amount(increase)} asked for, to be confirmed from ${when(available_at)}`);
  if (said.length === 0) said.push("what was asked for was taken back");
  const row = document.createElement("li");
  const title = row.appendChild(document.createElement("strong"));
  title.textContent = `${SUBJECTS[subject]} in a ${period}: ${said.join("; ")}`;
  row.appendChild(document.createElement("small")).textContent = `${when(at)}, by ${by === "player" ? "you" : "the casino, at your word"}`;
  return row;
}

const part = (id) => document.getElementById(id);

export class Limits {
  // notice(text), news(text), failed(refused)
  constructor(rest, hooks) {
    this.rest = rest;
    this.hooks = hooks;
    this.currencies = [];
    this.any = false;
    this.ask("set-limit", "limit-dialog", (form) => this.set(form));
    this.ask("take-break", "break-dialog", (form) => this.pause(Number(form.get("days"))));
    part("set-limit").addEventListener("click", () => this.offer());
    this.olderChanges = null;
    part("limit-log").addEventListener("toggle", () => {
      if (part("limit-log").open) this.log(null);
    });
    part("older-changes").addEventListener("click", () => this.log(this.olderChanges));
  }

  // Every change of the limits, page by page; without a cursor from the newest on.
  async log(cursor) {
    try {
      const page = await this.rest.get(`me/limits/changes${cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`}`);
      const rows = page.results.map(changed);
      if (cursor === null) part("limit-changes").replaceChildren(...rows);
      else part("limit-changes").append(...rows);
      this.olderChanges = page.next;
      part("older-changes").hidden = page.next === null;
      part("no-changes").hidden = part("limit-changes").children.length > 0;
    } catch (refused) {
      this.failed(refused);
    }
  }

  // A button that opens a dialog, and what is done when its first button was pressed.
  ask(button, dialog, act) {
    const form = part(dialog).querySelector("form");
    part(button).addEventListener("click", () => {
      part(dialog).returnValue = "";
      part(dialog).showModal();
    });
    part(dialog).addEventListener("close", () => {
      if (part(dialog).returnValue === "do") act(new FormData(form)).catch((refused) => this.failed(refused));
      form.reset();
    });
  }

  offer() {
    const options = this.currencies.map((currency) => new Option(currency, currency));
    part("limit-dialog").querySelector("[name=currency]").replaceChildren(...options);
  }

  async read(currencies, excludedUntil) {
    this.currencies = currencies;
    if (excludedUntil !== undefined) this.showBreak(excludedUntil);
    const asked = currencies.map((currency) => this.rest.get(`me/limits?currency=${encodeURIComponent(currency)}`));
    const found = await Promise.all(asked);
    const rows = found.flatMap((each) => this.rows(each));
    part("limits-scope").textContent = SCOPES[found[0]?.holds_for] ?? "";
    part("limits").replaceChildren(...rows);
    part("no-limits").hidden = this.any = rows.length > 0;
    part("limits-section").hidden = currencies.length === 0;
  }

  rows(found) {
    const rows = [];
    for (const [subject, called] of Object.entries(SUBJECTS)) {
      for (const period of PERIODS) {
        const limit = found[subject][period];
        if (limit.limit !== null) rows.push(this.row(found.currency, subject, period, called, limit));
      }
    }
    return rows;
  }

  row(currency, subject, period, called, { limit, left, resets_at, increase }) {
    const row = part("limit-template").content.firstElementChild.cloneNode(true);
    const name = `${called} in a ${period}`;
    row.querySelector("strong").textContent = `${name}: ${grouped(limit)} ${currency}`;
    row.querySelector("small").textContent = `${grouped(left)} left, starts anew in ${timeLeft(resets_at)}`;
    if (increase) {
      const asked = increase.limit === null ? "no limit" : grouped(increase.limit);
      const open = Date.parse(increase.available_at) <= Date.now();
      const note = row.querySelector(".asked");
      note.hidden = false;
      const until = open ? `, to confirm within ${timeLeft(increase.lapses_at)}` : `, to confirm in ${timeLeft(increase.available_at)}`;
      note.textContent = `${asked} asked for${until}`;
      const button = row.querySelector("button");
      button.hidden = !open;
      button.setAttribute("aria-label", `Confirm ${asked} for ${name}`);
      button.addEventListener("click", () => {
        button.disabled = true;
        this.put(currency, subject, period, increase.limit).catch((refused) => this.failed(refused));
      });
    }
    return row;
  }

  set(form) {
    return this.put(form.get("currency"), form.get("subject"), form.get("period"), form.get("amount").trim() || null);
  }

  async put(currency, subject, period, amount) {
    const found = await this.rest.put("me/limits", { currency, [subject]: { [period]: amount } });
    const waits = found[subject][period].increase;
    this.hooks.notice("");
    this.hooks.news(waits ? `The higher limit can be confirmed here in ${timeLeft(waits.available_at)}.` : "The limit holds.");
    await this.read(this.currencies);
    if (part("limit-log").open) await this.log(null);
  }

  async pause(days) {
    const me = await this.rest.put("me/exclusion", { excluded_until: new Date(Date.now() + days * DAY).toISOString() });
    this.hooks.notice("");
    this.showBreak(me.excluded_until);
  }

  showBreak(until) {
    const taken = until !== null && Date.parse(until) > Date.now();
    part("break").hidden = !taken;
    if (taken) part("break").textContent = `You take a break ${untilWhen(until)}: no deposits, no bets, no bonuses.`;
  }

  failed(refused) {
    if (refused instanceof Refused && refused.code === "invalid_field") {
      const longer = refused.field === "excluded_until";
      this.hooks.notice(longer ? "You take a longer break already." : "Write the amount like 50 or 50.00, with no more decimals than the currency has.");
    } else {
      this.hooks.failed(refused);
    }
  }
}
