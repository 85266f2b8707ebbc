// The reality check: after every so many minutes the player is told how long the session has lasted and what came of it.
//
// A session is that of a tab, however often its token is renewed; it is over when the tab is closed, or left for half an hour.

import { grouped, isZero } from "./money.js";
import { Refused } from "./rest.js";
import { lasted } from "./words.js";

const KEPT = "casino-pam-session";
const MINUTE = 60_000;
const LEFT = 30 * MINUTE;
const LOOK = 10_000;
const CHOICES = [10, 15, 20, 30, 45, 60, 90, 120];

const part = (id) => document.getElementById(id);

export class RealityCheck {
  // failed(refused)
  constructor(rest, failed) {
    this.rest = rest;
    this.failed = failed;
    this.dialog = part("reality-dialog");
    this.dialog.addEventListener("close", () => this.answered());
    part("check-minutes").addEventListener("change", () => this.set(Number(part("check-minutes").value)));
  }

  async open(player) {
    const now = Date.now();
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    const goesOn = kept?.player === player && now - kept.seen < LEFT;
    this.session = goesOn ? kept : { player, since: now, told: now };
    this.show(await this.rest.get("me/reality-check"));
    this.look();
    setInterval(() => this.look(), LOOK);
  }

  show({ minutes, shortest, longest }) {
    this.minutes = minutes;
    const choices = [...new Set([...CHOICES.filter((each) => shortest <= each && each <= longest), minutes])];
    choices.sort((one, other) => one - other);
    part("check-minutes").replaceChildren(...choices.map((each) => new Option(`${each} minutes`, each, false, each === minutes)));
  }

  async set(minutes) {
    try {
      this.show(await this.rest.put("me/reality-check", { minutes }));
    } catch (refused) {
      part("check-minutes").value = this.minutes;
      this.failed(refused);
    }
  }

  look() {
    const now = Date.now();
    if (this.dialog.open) return;
    this.keep({ seen: now });
    if (now - this.session.told >= this.minutes * MINUTE) this.tell().catch((refused) => this.later(refused));
  }

  async tell() {
    const since = new Date(this.session.since).toISOString();
    const { played } = await this.rest.get(`me/reality-check?since=${encodeURIComponent(since)}`);
    // Another look may have been quicker, or another dialog be in the way: the next one will tell.
    if (document.querySelector("dialog[open]")) return;
    part("reality-time").textContent = `You have been here for ${lasted(Date.now() - this.session.since)}.`;
    const moved = played.filter((each) => !isZero(each.staked) || !isZero(each.won));
    const lines = moved.map((each) => {
      const line = document.createElement("li");
      line.textContent = `Your result: ${signed(each)}. You staked ${grouped(each.staked)} and won ${grouped(each.won)}.`;
      return line;
    });
    part("reality-result").replaceChildren(...lines);
    part("reality-nothing").hidden = lines.length > 0;
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  answered() {
    this.keep({ told: Date.now(), seen: Date.now() });
    if (this.dialog.returnValue === "break") part("take-break").click();
  }

  keep(more) {
    Object.assign(this.session, more);
    sessionStorage.setItem(KEPT, JSON.stringify(this.session));
  }

  // Without a network nothing can be told; the next look tries again.
  later(refused) {
    if (!(refused instanceof Refused) || refused.status !== 0) this.failed(refused);
  }
}

function signed({ result, currency }) {
  const sign = result.startsWith("-") || isZero(result) ? "" : "+";
  return `${sign}${grouped(result)} ${currency}`;
}
