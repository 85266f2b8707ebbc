// The player's page: what the socket tells, what the REST API answers, and what the player does.

import { PromoCodes } from "./codes.js";
import { Limits } from "./limits.js";
import { Live } from "./live.js";
import { showBonuses, showOffers } from "./bonuses.js";
import { RealityCheck } from "./reality.js";
import { Refused, Rest, takeToken } from "./rest.js";
import { Rounds } from "./rounds.js";
import { Wallets, write } from "./wallets.js";
import { ENDINGS, LINES, named, sorry } from "./words.js";

const HISTORY_PAUSE = 1500;
// Bonuses shown at once, and by how many more each time.
const BONUSES = 10;
// A month and those before it, so that a year is there whole.
const MONTHS = 13;

const part = (id) => document.getElementById(id);

class Page {
  constructor(rest) {
    this.rest = rest;
    this.bonuses = [];
    this.moreBonuses = null;
    this.bonusesShown = BONUSES;
    this.older = null;
    this.month = null;
    this.waiting = {};
    this.fresh = true;
    this.rounds = new Rounds(part("history"), part("round-template"));
    this.wallets = new Wallets(part("wallets"), part("wallet-template"), {
      giveUp: (bonus) => this.giveUp(bonus),
      ended: (currency, bonus) => this.tellEnd(currency, bonus),
      news: (text) => this.news(text),
    });
    this.limits = new Limits(rest, {
      notice: (text) => this.notice(text),
      news: (text) => this.news(text),
      failed: (refused) => this.failed(refused),
    });
    this.codes = new PromoCodes(part("code-form"), (...asked) => this.enterCode(...asked));
    this.reality = new RealityCheck(rest, (refused) => this.failed(refused));
    this.live = new Live({
      ticket: async () => (await rest.post("me/socket-ticket")).ticket,
      frame: (frame) => this.take(frame),
      state: (state) => this.line(state),
    });
    part("older").addEventListener("click", () => this.showOlder());
    part("older-bonuses").addEventListener("click", () => this.showOlderBonuses());
    part("month").append(...lastMonths());
    part("month").addEventListener("change", () => this.choose(part("month").value).catch((refused) => this.failed(refused)));
  }

  // The socket tells of the wallets; they are read as well, in case it cannot be opened.
  async open() {
    this.live.again();
    try {
      const [me, wallets] = await Promise.all([this.rest.get("me"), this.list("me/wallets")]);
      write(part("player"), me.player);
      wallets.forEach((wallet) => this.wallets.show(wallet));
      part("content").hidden = false;
      await Promise.all([this.refresh(), this.readLimits(me.excluded_until), this.reality.open(me.player)]);
    } catch (refused) {
      this.failed(refused);
    }
  }

  async refresh() {
    await Promise.all([this.readBonuses(), this.readHistory()]);
  }

  line(state) {
    const node = part("line");
    node.dataset.state = state;
    write(node, LINES[state]);
    if (state === "live") this.resume();
    else if (state !== "connecting") this.fresh = false;
    if (state === "offline") this.notice("You are offline. What you see may be old; this page comes back by itself.");
    if (state === "closed") this.close();
  }

  // Back on the line: much may have happened meanwhile.
  resume() {
    this.notice("");
    if (!this.fresh) this.soon("all", () => this.refresh());
    this.fresh = true;
  }

  take(frame) {
    const known = this.wallets.frames.get(frame.currency);
    this.wallets.show(frame);
    // A snapshot tells that more than money may have changed; so does another bonus.
    const other = known && (known.wagering?.bonus !== frame.wagering?.bonus || wagered(frame) !== wagered(known));
    if (known && (other || frame.type === "snapshot")) this.soon("bonuses", () => this.readBonuses());
    if (known && known.version !== frame.version) this.soon("history", () => this.readHistory());
    if (known && known.version !== frame.version && this.limits.any) this.soon("limits", () => this.readLimits());
  }

  // At most once in a while, however many frames come.
  soon(what, act) {
    this.waiting[what] ??= setTimeout(() => {
      delete this.waiting[what];
      act().catch((refused) => this.failed(refused));
    }, HISTORY_PAUSE);
  }

  // --- offers and bonuses ---------------------------------------------------------------

  async readBonuses() {
    const [page, offers] = await Promise.all([this.rest.get("me/bonuses"), this.list("me/offers")]);
    this.bonuses = page.results;
    this.moreBonuses = page.next;
    this.wallets.know(this.bonuses);
    const currencies = [...this.wallets.frames.keys()];
    this.codes.know(currencies);
    showOffers(part("offers-section"), part("offer-template"), offers, currencies, (...asked) => this.claim(...asked));
    this.showBonuses();
  }

  showBonuses() {
    const more = showBonuses(part("bonuses-section"), part("bonus-template"), this.bonuses, this.bonusesShown, (bonus) => this.giveUp(bonus));
    part("older-bonuses").hidden = !more && this.moreBonuses === null;
  }

  async showOlderBonuses() {
    const button = part("older-bonuses");
    button.disabled = true;
    try {
      this.bonusesShown += BONUSES;
      if (this.bonusesShown > this.bonuses.length && this.moreBonuses !== null) {
        const page = await this.rest.get(`me/bonuses?cursor=${encodeURIComponent(this.moreBonuses)}`);
        this.bonuses = [...this.bonuses, ...page.results];
        this.moreBonuses = page.next;
      }
      this.showBonuses();
    } catch (refused) {
      this.failed(refused);
    }
    button.disabled = false;
  }

  // What is left of them moves with every bet; for a player without limits nothing does.
  readLimits(excludedUntil) {
    return this.limits.read([...this.wallets.frames.keys()].sort(), excludedUntil);
  }

  async list(path) {
    return (await this.rest.get(path)).results;
  }

  async claim(offer, currency, button) {
    button.disabled = true;
    try {
      await this.rest.post("me/bonuses", { offer: offer.code, currency });
      this.news(`${offer.name} claimed.`);
      this.notice("");
      await this.readBonuses();
      part("bonuses-section").querySelector("h2").scrollIntoView({ block: "nearest" });
    } catch (refused) {
      button.disabled = false;
      this.failed(refused);
    }
  }

  // Whether the code was taken.
  async enterCode(code, currency) {
    try {
      const bonus = await this.rest.post("me/promo-codes", { code, currency });
      this.news(`Code taken: ${named(bonus.offer)}.`);
      this.notice("");
      await this.readBonuses();
      return true;
    } catch (refused) {
      this.failed(refused);
      return false;
    }
  }

  giveUp(id) {
    const bonus = this.bonuses.find((each) => each.id === id);
    const dialog = part("give-up");
    const money = bonus?.status === "active" || !bonus;
    write(part("give-up-text"), money ? "Its bonus money leaves your balance, and what you wagered for it is lost. Your cash stays." : "It will not start any more.");
    dialog.returnValue = "keep";
    dialog.onclose = () => {
      if (dialog.returnValue === "give-up") this.forfeit(id);
    };
    dialog.showModal();
  }

  async forfeit(id) {
    try {
      await this.rest.post(`me/bonuses/${id}/forfeit`);
      this.notice("");
      await this.readBonuses();
    } catch (refused) {
      this.failed(refused);
    }
  }

  async tellEnd(currency, id) {
    await this.readBonuses().catch(() => {});
    const ended = this.bonuses.find((bonus) => bonus.id === id);
    const text = ENDINGS[ended?.status] ?? "The bonus has ended.";
    this.wallets.tellEnd(currency, text);
    this.news(`${currency}: ${text}`);
  }

  // --- history --------------------------------------------------------------------------

  // The page of the statement that begins at the cursor, of the month that was chosen; one that found nothing on its
  // way through a long statement says where to go on.
  async statement(cursor) {
    const query = new URLSearchParams(this.month ?? {});
    let page = { results: [], next: cursor };
    do {
      if (page.next !== null) query.set("cursor", page.next);
      page = await this.rest.get(`me/transactions?${query}`);
    } while (page.results.length === 0 && page.next !== null);
    return page;
  }

  async choose(month) {
    this.month = month ? bounds(month) : null;
    this.rounds.clear();
    const page = await this.statement(null);
    this.rounds.add(page.results);
    this.setOlder(page.next);
    part("nothing").hidden = Boolean(month) || !this.rounds.empty;
    part("quiet-month").hidden = !month || !this.rounds.empty;
  }

  async readHistory() {
    // What happens now is in no month that has passed, and would not stand where it belongs.
    if (this.month) return;
    const page = await this.statement(null);
    if (!this.rounds.joins(page.results)) {
      // The first page, or so much happened that a stretch would be missing.
      this.rounds.clear();
      this.setOlder(page.next);
    }
    this.rounds.add(page.results);
    part("nothing").hidden = !this.rounds.empty;
  }

  async showOlder() {
    const button = part("older");
    button.disabled = true;
    try {
      const page = await this.statement(this.older);
      this.rounds.add(page.results);
      this.setOlder(page.next);
    } catch (refused) {
      this.failed(refused);
    }
    button.disabled = false;
  }

  setOlder(cursor) {
    this.older = cursor;
    part("older").hidden = cursor === null;
  }

  // --- what goes wrong ------------------------------------------------------------------

  failed(refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.status === 401) this.live.end();
    // Without a network the line says so already, and comes back by itself.
    else if (refused.status !== 0) this.notice(sorry(refused));
  }

  notice(text) {
    part("notice").hidden = !text;
    write(part("notice"), text);
  }

  news(text) {
    write(part("news"), text);
  }

  close() {
    closed("Your session has ended.", "For your safety it lasts a few minutes only. Go back to the casino and open this page again.");
  }
}

// Whether a bonus is wagered in full: what it waits for then is not in the frame.
function wagered(frame) {
  return frame.wagering?.percent === 100;
}

function lastMonths() {
  const now = new Date();
  return Array.from({ length: MONTHS }, (_, back) => {
    const month = new Date(now.getFullYear(), now.getMonth() - back, 1);
    return new Option(month.toLocaleDateString([], { month: "long", year: "numeric" }), `${month.getFullYear()}-${month.getMonth()}`);
  });
}

// The first instant of a month where the player is, and that of the next one.
function bounds(month) {
  const [year, place] = month.split("-").map(Number);
  return { since: new Date(year, place, 1).toISOString(), until: new Date(year, place + 1, 1).toISOString() };
}

function closed(title, text) {
  part("content").hidden = true;
  part("notice").hidden = true;
  part("closed").hidden = false;
  write(part("closed-title"), title);
  write(part("closed-text"), text);
}

function start() {
  const token = takeToken();
  if (token) {
    new Page(new Rest(token)).open();
    return;
  }
  const line = part("line");
  line.dataset.state = "closed";
  write(line, LINES.closed);
  closed("Nobody is logged in here.", "This page opens from the casino, which hands over who you are.");
}

// A new token in the address is a new session, of whomever it is for.
addEventListener("hashchange", () => location.reload());
start();
