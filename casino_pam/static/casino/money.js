// Decimal strings in, decimal strings out: a float has no place in money, here no more than there.

export function parse(text) {
  const [, sign, whole, fraction = ""] = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  return { minor: BigInt(sign + whole + fraction), digits: fraction.length };
}

export function show(minor, digits) {
  const sign = minor < 0n ? "-" : "";
  const text = String(minor < 0n ? -minor : minor).padStart(digits + 1, "0");
  return sign + (digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text);
}

// The sum of amounts of one currency.
export function sum(texts) {
  let total = 0n;
  let digits = 0;
  for (const text of texts) {
    const amount = parse(text);
    total += amount.minor;
    digits = amount.digits;
  }
  return show(total, digits);
}

export function less(text, other) {
  return sum([text, other.startsWith("-") ? other.slice(1) : `-${other}`]);
}

export function compare(text, other) {
  const difference = parse(less(text, other)).minor;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

export function isZero(text) {
  return parse(text).minor === 0n;
}

// As people read it: 12,345.67
export function grouped(text) {
  const [whole, fraction] = text.replace("-", "−").split(".");
  const thousands = whole.replace(/([0-9])(?=([0-9]{3})+$)/g, "$1,");
  return fraction === undefined ? thousands : `${thousands}.${fraction}`;
}
