// Offers to claim, and the player's bonuses.

import { grouped } from "./money.js";
import { showTerms } from "./wallets.js";
import { STATUSES, timeLeft, when } from "./words.js";

const GIVEABLE = ["pending", "queued"];
const STARTS = { deposit_match: "starts with your deposit", free_rounds: "starts when a free round wins" };

export function showOffers(section, template, offers, currencies, claim) {
  const list = section.querySelector("ul");
  list.replaceChildren(...offers.map((offer) => offerCard(template, offer, currencies, claim)));
  section.hidden = offers.length === 0;
}

function offerCard(template, offer, currencies, claim) {
  const card = template.content.firstElementChild.cloneNode(true);
  card.querySelector("h3").textContent = offer.name;
  const open = Object.keys(offer.amounts).filter((currency) => currencies.includes(currency));
  card.querySelector("p").textContent = sentence(offer, open[0]);
  for (const currency of open) {
    const button = card.querySelector(".buttons").appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = open.length === 1 ? "Claim" : `Claim in ${currency}`;
    button.setAttribute("aria-label", `Claim ${offer.name} in ${currency}`);
    button.addEventListener("click", () => claim(offer, currency, button));
  }
  return card;
}

function sentence(offer, currency) {
  const amounts = offer.amounts[currency] ?? {};
  const amount = (text) => `${grouped(text)} ${currency}`;
  const parts = [];
  if (offer.kind === "deposit_match") {
    parts.push(`${offer.percent_bp / 100} % on your ${offer.which_deposit === "first" ? "first deposit" : "deposit"}`);
    if (amounts.cap) parts.push(`up to ${amount(amounts.cap)}`);
    if (amounts.min_deposit) parts.push(`from ${amount(amounts.min_deposit)}`);
  } else if (offer.kind === "fixed" && amounts.amount) {
    parts.push(`${amount(amounts.amount)} of bonus money`);
  } else if (offer.kind === "free_rounds") {
    parts.push("What free rounds win is bonus money");
  } else if (offer.kind === "cashback") {
    parts.push(`${offer.percent_bp / 100} % of what you lose comes back`);
  }
  parts.push(offer.multiplier ? `to be wagered ${offer.multiplier} times` : "nothing to wager");
  if (offer.spend_days) parts.push(`within ${offer.spend_days} days`);
  return `${parts.join(", ")}.`;
}

// Every bonus but the one whose bar is live in its wallet's card, so many at once.
export function showBonuses(section, template, bonuses, most, giveUp) {
  const others = bonuses.filter((bonus) => bonus.status !== "active");
  const rows = others.slice(0, most).map((bonus) => bonusRow(template, bonus, giveUp));
  section.querySelector("ul").replaceChildren(...rows);
  section.hidden = others.length === 0;
  return others.length > most;
}

function bonusRow(template, bonus, giveUp) {
  const row = template.content.firstElementChild.cloneNode(true);
  row.querySelector("strong").textContent = bonus.name;
  row.querySelector("small").textContent = detail(bonus);
  const badge = row.querySelector(".badge");
  badge.textContent = STATUSES[bonus.status] ?? bonus.status;
  badge.dataset.status = bonus.status;
  const button = row.querySelector("button");
  button.hidden = !GIVEABLE.includes(bonus.status);
  button.setAttribute("aria-label", `Give up ${bonus.name}`);
  button.addEventListener("click", () => giveUp(bonus.id));
  showTerms(row.querySelector(".counts"), bonus);
  return row;
}

function detail(bonus) {
  if (bonus.status === "pending") {
    const starts = STARTS[bonus.terms.kind] ?? "starts when it has been approved";
    return bonus.expires_at ? `${starts}, ${timeLeft(bonus.expires_at)} left` : starts;
  }
  if (bonus.status === "queued") return `${grouped(bonus.amount)} ${bonus.currency}, starts when the present one ends`;
  return `${grouped(bonus.amount)} ${bonus.currency}, ${bonus.percent} % wagered, ended ${when(bonus.ended_at)}`;
}
