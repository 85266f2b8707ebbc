// The player's half of the REST API. The token travels in a header and is kept for this tab alone.

const BASE = "/api/v1/";
const KEPT = "casino-pam-token";

export class Refused extends Error {
  constructor(status, { code, why, field }) {
    super(code);
    Object.assign(this, { status, code, why, field });
  }
}

// From the fragment, which no server ever sees; it leaves the address at once, so that it stays out of
// the history. A reload finds it in the tab's own store.
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT);
}

export class Rest {
  constructor(token) {
    this.token = token;
  }

  get(path) {
    return this.call("GET", path);
  }

  post(path, body = {}) {
    return this.call("POST", path, JSON.stringify(body));
  }

  put(path, body) {
    return this.call("PUT", path, JSON.stringify(body));
  }

  async call(method, path, body) {
    const headers = { Authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer, text;
    try {
      answer = await fetch(BASE + path, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(10_000) });
      text = await answer.text();
    } catch {
      throw new Refused(0, {});
    }
    const found = parsed(text);
    if (!answer.ok) throw new Refused(answer.status, found ?? {});
    // What is good and cannot be read was cut on its way.
    if (found === null) throw new Refused(0, {});
    return found;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
