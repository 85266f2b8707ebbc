// How the house's words read to a player.

export const KINDS = {
  bet: "Bet",
  win: "Win",
  rollback: "Taken back",
  end_round: "Round ended",
  deposit: "Deposit",
  hold: "Withdrawal asked for",
  settle: "Withdrawal paid out",
  release: "Withdrawal returned",
  grant: "Bonus started",
  convert: "Bonus became cash",
  forfeit: "Bonus given up",
  expire: "Bonus ran out of time",
  adjust: "Correction",
};

export const REFUSALS = {
  insufficient_funds: "not enough money",
  wallet_locked: "locked by support",
  player_excluded: "you are excluded at present",
  limit_reached: "one of your limits was reached",
  stake_above_limit: "the stake was above the bonus’s limit",
  game_excluded: "not with this bonus",
  currency_disabled: "currency switched off",
  round_closed: "the round was over",
  bonus_active: "a bonus is active",
};

const WHYS = {
  already_claimed: "You have claimed this offer before.",
  exhausted: "Others were faster: this offer is used up.",
  no_longer_valid: "This offer has ended.",
  not_yet_valid: "This offer has not begun yet.",
  which_deposit: "This offer was for an earlier deposit.",
};

// What to say to a player whose wish was refused; the API's own sentences are for programmers.
export function sorry({ code, status, why }) {
  if (code === "offer_not_available") return WHYS[why] ?? "This offer is not open to you at present.";
  if (code === "unknown_promo_code") return "There is no such code at present. Check how it is written.";
  if (code === "rate_limited") return "That was often. Please wait a minute and try again.";
  if (code === "bonus_ended") return "This bonus has ended already.";
  if (REFUSALS[code]) return `That is not possible: ${REFUSALS[code]}.`;
  if (status === 429 || status >= 500) return "That did not work. Please try again in a moment.";
  return "That is not possible at present.";
}

export const STATUSES = {
  pending: "waiting",
  queued: "next in line",
  active: "active",
  completed: "completed",
  depleted: "played up",
  expired: "ran out of time",
  forfeited: "given up",
  cancelled: "cancelled",
};

export const ENDINGS = {
  completed: "Bonus completed. What it won is now cash.",
  depleted: "The bonus money is played up.",
  expired: "The bonus ran out of time.",
  forfeited: "The bonus was given up.",
};

export const OUTCOMES = {
  won: "Won",
  lost: "Lost",
  even: "Even",
  returned: "Taken back",
  open: "In play",
};

export const LINES = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Reconnecting",
  offline: "Offline",
  closed: "Closed",
};

// "2 days 3 h", counted down; empty when there is no end.
export function timeLeft(until, now = Date.now()) {
  if (!until) return "";
  const minutes = Math.floor((Date.parse(until) - now) / 60_000);
  if (minutes < 0) return "none";
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  if (days) return `${days} ${days === 1 ? "day" : "days"} ${hours} h`;
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

// How long something has lasted, in milliseconds, as people say it.
export function lasted(time) {
  const minutes = Math.floor(time / 60_000);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return `${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
  return `${hours} ${hours === 1 ? "hour" : "hours"} and ${minutes % 60} ${minutes % 60 === 1 ? "minute" : "minutes"}`;
}

// "2026-12-01 13:05 UTC", the same for everybody whom the player may ask about it.
export function when(instant) {
  return `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

// How long something lasts that ends then; the end of time is what an exclusion for good has.
export function untilWhen(instant) {
  return instant.startsWith("9999-12-31") ? "for good" : `until ${when(instant)}`;
}

// "book-of-days" as people would write it.
export function named(code) {
  const words = code.replace(/[-_]+/g, " ").trim() || code;
  return words[0].toUpperCase() + words.slice(1);
}
