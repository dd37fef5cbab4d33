// Live alerts: every transition of the stream becomes one row, made or changed in place.
"use strict";
(() => {
  for (const select of document.querySelectorAll("[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  const list = document.getElementById("alerts");
  if (!list) return;
  const row = document.getElementById("alert-row").content.firstElementChild;
  const words = JSON.parse(document.getElementById("words").textContent);
  const link = document.getElementById("link");
  const lang = list.dataset.lang;
  const rowsMax = Number(list.dataset.max);
  const filters = ["level", "rule", "state"].filter((name) => list.dataset[name]);
  const clock = new Intl.DateTimeFormat("sv-SE", {
    timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "short",
  });
  let last = Number(list.dataset.seq);
  let refreshing = 0;

  const say = (state) => {
    link.dataset.state = state;
    link.textContent = words.ui[state];
  };
  const when = (text) => {
    const moment = new Date(text);
    return Number.isNaN(moment.valueOf()) ? text || "" : clock.format(moment);
  };
  const find = (id) => [...list.children].find((each) => each.dataset.id === id);
  const wanted = (alert) => filters.every((name) => alert[name] === list.dataset[name]);
  const text = (each) => each[`text_${lang}`] || each.text_zh || each.text_en || "";

  // Only textContent and attributes are set: nothing that comes from outside is read as HTML.
  const fill = (element, alert) => {
    const slot = (name) => element.querySelector(`[data-slot=${name}]`);
    element.className = `alert l-${alert.level}`;
    element.dataset.id = alert.id;
    element.dataset.seq = alert.seq;
    element.dataset.opened = alert.opened_at;
    slot("level").textContent = words.level[alert.level] || alert.level;
    slot("rule").textContent = words.rule[alert.rule] || alert.rule;
    slot("state").textContent = words.state[alert.state] || alert.state;
    slot("time").textContent = when(alert.opened_at);
    slot("title").textContent = alert.title[lang] || alert.title.zh;
    slot("title").href = `/alerts/${encodeURIComponent(alert.id)}`;
    slot("name").textContent = alert.name || alert.subject || alert.cell || "";
    if (alert.subject) slot("name").href = `/subjects/${encodeURIComponent(alert.subject)}`;
    slot("departments").textContent = (alert.departments || []).join(lang === "zh" ? "、" : ", ");
    slot("evidence").replaceChildren(...(alert.evidence || []).slice(0, 3).map((each) => {
      const line = document.createElement("li");
      line.textContent = text(each);
      return line;
    }));
  };

  const put = (alert) => {
    const known = find(alert.id);
    if (known && Number(known.dataset.seq) >= alert.seq) return;
    if (!wanted(alert)) {
      if (known) known.remove();
    } else if (known) {
      fill(known, alert);
    } else {
      const made = row.cloneNode(true);
      fill(made, alert);
      made.classList.add("new");
      const opened = Date.parse(alert.opened_at);
      const older = [...list.children].find((each) => !(Date.parse(each.dataset.opened) > opened));
      list.insertBefore(made, older || null);
      while (list.children.length > rowsMax) list.lastElementChild.remove();
    }
    document.getElementById("no-alerts").hidden = list.children.length > 0;
  };

  const refresh = async () => {
    refreshing = 0;
    const answer = await fetch("/api/v1/summary").catch(() => null);
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

  const connect = () => {
    const source = new EventSource(`/api/v1/alerts/stream?after=${last}`);
    source.onopen = () => say("live");
    source.addEventListener("alert", (event) => {
      last = Number(event.lastEventId);
      put(JSON.parse(event.data));
      if (!refreshing) refreshing = setTimeout(refresh, 1000);
    });
    source.addEventListener("reset", () => location.reload());
    source.onerror = () => {
      say("lost");
      // A browser retries by itself after a cut, but gives up after an answer that is an error.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
  };
  connect();
})();
