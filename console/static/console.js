// The first page, live. Every transition of the stream becomes one row, made or changed in place;
// rows are written in batches, so that a flood of alerts leaves the page usable.
"use strict";
(() => {
  for (const select of document.querySelectorAll("[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  const list = document.getElementById("alerts");
  if (!list) return;
  const row = document.getElementById("alert-row").content.firstElementChild;
  const words = JSON.parse(document.getElementById("words").textContent);
  const byId = (id) => document.getElementById(id);
  const link = byId("link"), said = byId("said"), actor = byId("actor"), help = byId("keys");
  const lang = list.dataset.lang;
  const rowsMax = Number(list.dataset.max);
  const filters = ["level", "rule", "state"].filter((name) => list.dataset[name]);
  const clock = new Intl.DateTimeFormat("sv-SE", {
    timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "short",
  });
  const BATCH_MS = 100, SUMMARY_MS = 1000, PANELS_MS = 10000;
  const rows = new Map([...list.children].map((each) => [each.dataset.id, each]));
  const waiting = new Map();
  let last = Number(list.dataset.seq);
  let writing = 0, written = 0, refreshing = 0;

  const when = (text) => {
    const moment = new Date(text);
    return Number.isNaN(moment.valueOf()) ? text || "" : clock.format(moment);
  };
  const wanted = (alert) => filters.every((name) => alert[name] === list.dataset[name]);

  // ------------------------------------------------------------------------------ the live list

  const quick = (element) => {
    element.querySelector("[data-act]").hidden =
      !["firing", "pending"].includes(element.dataset.state);
  };

  // Only textContent and attributes are set: nothing that comes from outside is read as HTML.
  const fill = (element, alert) => {
    const slot = (name) => element.querySelector(`[data-slot=${name}]`);
    element.className = `alert l-${alert.level}`;
    Object.assign(element.dataset, {
      id: alert.id, seq: alert.seq, opened: alert.opened_at, state: alert.state,
    });
    slot("level").textContent = words.level[alert.level] || alert.level;
    slot("rule").textContent = words.rule[alert.rule] || alert.rule;
    slot("state").textContent = words.state[alert.state] || alert.state;
    slot("time").textContent = when(alert.opened_at);
    slot("title").textContent = alert.title[lang] || alert.title.zh;
    slot("title").href = `/alerts/${encodeURIComponent(alert.id)}`;
    slot("name").textContent = alert.name || alert.subject || alert.cell || "";
    if (alert.subject) slot("name").href = `/subjects/${encodeURIComponent(alert.subject)}`;
    else slot("name").removeAttribute("href");
    slot("departments").textContent = (alert.departments || []).join(lang === "zh" ? "、" : ", ");
    slot("evidence").replaceChildren(...(alert.evidence || []).slice(0, 3).map((each) => {
      const line = document.createElement("li");
      line.textContent = each[`text_${lang}`] || each.text_zh || each.text_en || "";
      return line;
    }));
    quick(element);
  };

  const drop = (element) => {
    rows.delete(element.dataset.id);
    element.remove();
  };

  // The row somebody has chosen stays, however many come: acting on it must not become a race.
  const held = (element) => element === chosen() || element.contains(document.activeElement);

  const put = (alert) => {
    const known = rows.get(alert.id);
    if (known && Number(known.dataset.seq) >= alert.seq) return;
    if (!wanted(alert)) {
      if (known) drop(known);
      return;
    }
    if (known && known.dataset.opened === alert.opened_at) {
      fill(known, alert);
      return;
    }
    if (known) drop(known);
    const opened = Date.parse(alert.opened_at);
    let before = list.firstElementChild;
    while (before && Date.parse(before.dataset.opened) > opened) before = before.nextElementSibling;
    if (!before && rows.size >= rowsMax) return;
    const made = row.cloneNode(true);
    fill(made, alert);
    made.classList.add("new");
    list.insertBefore(made, before);
    rows.set(alert.id, made);
    let end = list.lastElementChild;
    while (rows.size > rowsMax && end) {
      const above = end.previousElementSibling;
      if (!held(end)) drop(end);
      end = above;
    }
  };

  const write = () => {
    writing = 0;
    written = performance.now();
    // In the order of the stream. Of a flood only what can still be seen is made into rows.
    const batch = [...waiting.values()].sort((a, b) => a.seq - b.seq);
    waiting.clear();
    const fresh = batch.filter((alert) => !rows.has(alert.id) && wanted(alert));
    const skipped = new Set(fresh.length > rowsMax
      ? fresh.sort((a, b) => Date.parse(b.opened_at) - Date.parse(a.opened_at) || b.seq - a.seq)
        .slice(rowsMax).map((alert) => alert.id)
      : []);
    for (const alert of batch) if (!skipped.has(alert.id)) put(alert);
    byId("no-alerts").hidden = rows.size > 0;
  };

  const take = (alert) => {
    waiting.set(alert.id, alert);
    if (writing) return;
    writing = 1;
    const wait = Math.max(0, BATCH_MS - (performance.now() - written));
    setTimeout(() => (document.hidden ? write() : requestAnimationFrame(write)), wait);
  };

  const connect = () => {
    const source = new EventSource(`/api/v1/alerts/stream?after=${last}`);
    const say = (state) => {
      link.dataset.state = state;
      link.textContent = words.ui[state];
    };
    source.onopen = () => say("live");
    source.addEventListener("alert", (event) => {
      const seq = Number(event.lastEventId);
      if (seq <= last) return;
      last = seq;
      take(JSON.parse(event.data));
      if (!refreshing) refreshing = setTimeout(refresh, SUMMARY_MS);
    });
    source.addEventListener("reset", () => location.reload());
    source.onerror = () => {
      say("lost");
      // A browser retries by itself after a cut, but gives up after an answer that is an error.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
  };

  // --------------------------------------------------------------------- counters and panels

  const refresh = async () => {
    const answer = await fetch("/api/v1/summary").catch(() => null);
    refreshing = 0;
    if (!answer || !answer.ok) return;
    const summary = await answer.json();
    for (const element of document.querySelectorAll("[data-sum]")) {
      const value = element.dataset.sum.split(".").reduce((at, key) => (at || {})[key], summary);
      element.textContent = (value || 0).toLocaleString("en-US");
    }
    for (const element of document.querySelectorAll("[data-sum-time]")) {
      element.textContent = when(summary[element.dataset.sumTime]);
    }
  };

  // The service has rendered and escaped these, like the page itself.
  const renew = async () => {
    if (document.hidden) return;
    const answer = await fetch(`/situation/panels?lang=${lang}`).catch(() => null);
    if (!answer || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const panel of document.querySelectorAll("[data-panel]")) {
      const next = fresh.getElementById(panel.id);
      if (!next || panel.contains(document.activeElement)) continue;
      if (panel.dataset.panel === "charts") {
        for (const option of panel.querySelectorAll("script[type='application/json']")) {
          const text = fresh.getElementById(option.id).textContent;
          if (text === option.textContent) continue;
          option.textContent = text;
          const figure = panel.querySelector(`[data-chart='${option.id}']`);
          figure.querySelector("tbody").replaceWith(
            fresh.querySelector(`[data-chart='${option.id}'] tbody`));
          figure.dispatchEvent(new Event("chart", { bubbles: true }));
        }
        continue;
      }
      const open = [...panel.querySelectorAll("details")].map((each) => each.open);
      panel.replaceChildren(...next.childNodes);
      panel.querySelectorAll("details").forEach((each, n) => { each.open = Boolean(open[n]); });
    }
  };

  // ------------------------------------------------------------------------------------ acting

  const chosen = () => list.querySelector("[aria-current]");
  const choose = (element) => {
    const before = chosen();
    if (before && before !== element) before.removeAttribute("aria-current");
    if (!element) return;
    element.setAttribute("aria-current", "true");
    element.querySelector("[data-slot=title]").focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  };

  const acknowledge = async (element) => {
    const who = actor.value.trim();
    if (!who) {
      said.textContent = words.ui.sit_ack_who;
      actor.focus();
      return;
    }
    if (!["firing", "pending"].includes(element.dataset.state)) return;
    const { id, seq } = element.dataset;
    said.textContent = words.ui.sit_ack_busy;
    const answer = await fetch(`/api/v1/alerts/${encodeURIComponent(id)}/acknowledge`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ actor: who, seq: Number(seq) }),
    }).catch(() => null);
    if (answer && answer.ok) {
      said.textContent = words.ui.sit_ack_done;
      // The stream says the same in a moment; whoever acts should not wait for it.
      const now = await fetch(`/api/v1/alerts/${encodeURIComponent(id)}`).catch(() => null);
      if (now && now.ok) take(await now.json());
    } else {
      const problem = answer ? await answer.json().catch(() => ({})) : {};
      said.textContent = problem.type === "urn:xinfeng:problem:changed"
        ? `${words.ui.was_first}: ${problem.actor || words.state[problem.state]}`
        : words.ui.sit_ack_failed + (problem.detail || "");
    }
  };

  actor.value = actor.value || localStorage.getItem("xinfeng.actor") || "";
  actor.addEventListener("change", () => localStorage.setItem("xinfeng.actor", actor.value.trim()));
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) acknowledge(button.closest("li.alert"));
  });
  list.addEventListener("focusin", (event) => {
    const element = event.target.closest("li.alert");
    const before = chosen();
    if (before && before !== element) before.removeAttribute("aria-current");
    if (element) element.setAttribute("aria-current", "true");
  });
  byId("keys-open").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input, select, textarea")) return;
    const now = chosen();
    if (event.key === "j") choose(now ? now.nextElementSibling || now : list.firstElementChild);
    else if (event.key === "k") choose(now ? now.previousElementSibling || now : null);
    else if (event.key === "a" && now) acknowledge(now);
    else if (event.key === "?") help.showModal();
    else return;
    event.preventDefault();
  });

  document.querySelector(".officer").hidden = false;
  rows.forEach(quick);
  connect();
  setInterval(renew, PANELS_MS);
})();
