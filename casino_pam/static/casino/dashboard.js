// The operators' live page: hears the newest seconds over a WebSocket, asks for those it does not have, and keeps
// five minutes of them. While the socket is closed it asks every two seconds.
(() => {
  "use strict";
  const KEPT = 300, EVERY = 2000, PATIENCE = 8000, SILENCE = 20000, RETRY = 5000;
  const page = document.getElementById("dashboard");
  const says = document.getElementById("dashboard-says");
  const chosen = document.getElementById("dashboard-currency");
  const seconds = new Map(); // unix second -> { currency: { bets, staked, paid } }
  let end = 0, begin = 0, timer = null, asking = false, ended = false, socket = null;

  const put = (name, text) => { page.querySelector(`[data-now="${name}"]`).textContent = text; };
  const cell = (text, css) => Object.assign(document.createElement("td"), { textContent: text, className: css || "" });
  const clock = (unix) => new Date(unix * 1000).toISOString().slice(11, 19);
  const utc = (iso) => `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;

  function chart(id, datasets, unit) {
    return new Chart(document.getElementById(id), {
      type: "line",
      data: { labels: [], datasets },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
        elements: { point: { radius: 0 }, line: { borderWidth: 1.5 } },
        plugins: { legend: { display: datasets.length > 1, position: "bottom" } },
        scales: {
          x: { ticks: { maxTicksLimit: 6, maxRotation: 0 }, title: { display: true, text: "UTC" }, grid: { display: false } },
          y: { beginAtZero: true, title: { display: true, text: unit } },
        },
      },
    });
  }

  const green = getComputedStyle(document.documentElement).getPropertyValue("--color-primary-600").trim() || "#0a7a55";
  const line = (label, color, extra) => ({ label, data: [], borderColor: color, backgroundColor: color, ...extra });
  const bets = chart("dashboard-bets", [line("Bets", green, { fill: true, backgroundColor: "rgba(10, 122, 85, .15)" })], "bets a second");
  const money = chart("dashboard-money", [line("Staked", green), line("Paid", "#b45309", { borderDash: [5, 3] })], "a second");

  function take(found) {
    if (!begin) begin = found.end - 60;
    for (const each of found.seconds) {
      const second = seconds.get(each.at) || {};
      second[each.currency] = each;
      seconds.set(each.at, second);
    }
    end = found.end;
    for (const at of seconds.keys()) if (at < end - KEPT) seconds.delete(at);
  }

  function currencies(found) {
    const names = [...new Set([...found.today.map((row) => row.currency), ...[...seconds.values()].flatMap(Object.keys)])].sort();
    if (names.join() === [...chosen.options].map((option) => option.value).join()) return;
    const busiest = found.today.reduce((most, row) => (row.bets > most.bets ? row : most), { currency: "", bets: -1 });
    const before = chosen.value || busiest.currency;
    chosen.replaceChildren(...names.map((name) => new Option(name, name, false, name === before)));
  }

  const betsAt = (at) => Object.values(seconds.get(at) || {}).reduce((sum, each) => sum + each.bets, 0);

  function draw() {
    const shown = [];
    for (let at = Math.max(begin, end - KEPT); at < end; at += 1) shown.push(at);
    const labels = shown.map(clock), of = (at) => (seconds.get(at) || {})[chosen.value] || { staked: 0, paid: 0 };
    bets.data.labels = money.data.labels = labels;
    bets.data.datasets[0].data = shown.map(betsAt);
    money.data.datasets[0].data = shown.map((at) => Number(of(at).staked));
    money.data.datasets[1].data = shown.map((at) => Number(of(at).paid));
    money.options.scales.y.title.text = `${chosen.value} a second`;
    bets.update();
    money.update();
    put("rate", (shown.slice(-10).reduce((sum, at) => sum + betsAt(at), 0) / 10).toFixed(1));
  }

  function tell(found) {
    put("queue", found.queue);
    put("sockets", found.sockets);
    // Without Redis each machine knows its own workers only.
    put("workers", found.workers ? `${found.workers} web workers` : "the web workers of one machine");
    put("active", found.bonuses.active);
    put("waiting", found.bonuses.pending + found.bonuses.queued);
    put("verdict", found.verdict);
    put("proven", found.proven ? `proven ${utc(found.proven)}` : "manage.py reconcile does it");
    const rows = found.today.map((row) => {
      const line = document.createElement("tr");
      line.append(cell(row.currency), ...[row.bets, row.staked, row.paid, row.ggr].map((text) => cell(text, "number")));
      return line;
    });
    const nothing = document.createElement("tr");
    nothing.append(Object.assign(cell("Nobody has played today."), { colSpan: 5 }));
    document.getElementById("dashboard-today").replaceChildren(...(rows.length ? rows : [nothing]));
    const items = found.findings.map((finding) => {
      const item = document.createElement("li"), link = document.createElement("a");
      Object.assign(link, { href: finding.link, textContent: finding.text, className: "link" });
      item.append(link, ` found ${utc(finding.found)}`);
      return item;
    });
    const none = Object.assign(document.createElement("li"), { textContent: "No run of manage.py reconcile has ever found one." });
    document.getElementById("dashboard-findings").replaceChildren(...(items.length ? items : [none]));
  }

  function accept(found) {
    take(found);
    currencies(found);
    tell(found);
    draw();
    says.textContent = `As of ${clock(found.end)} UTC, two seconds ago.`;
  }

  function lookIn(pause) {
    clearTimeout(timer);
    timer = setTimeout(look, pause);
  }

  async function look() {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(`${page.dataset.state}?since=${end}`, { signal: AbortSignal.timeout(PATIENCE), redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 403) {
        ended = true;
        says.textContent = "You are no longer logged in. Load this page again.";
        return;
      }
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).problem ?? "");
      accept(await answer.json());
    } catch (error) {
      says.textContent = `No answer since ${end ? clock(end) + " UTC" : "the page was opened"}; trying again. ${error.message || ""}`;
    } finally {
      asking = false;
    }
    lookIn(socket?.readyState === WebSocket.OPEN ? SILENCE : EVERY);
  }

  function listen() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws/dashboard/`);
    socket.onmessage = (message) => {
      const found = JSON.parse(message.data);
      if (!end || found.first > end) {
        look();
      } else if (found.end >= end) {
        accept(found);
        lookIn(SILENCE);
      }
    };
    socket.onclose = () => { if (!ended) setTimeout(listen, RETRY * (0.5 + Math.random())); };
  }

  chosen.addEventListener("change", draw);
  look();
  listen();
})();
