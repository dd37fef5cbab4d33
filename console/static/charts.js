// Charts: every <figure class="chart" data-chart="ID"> shows the ECharts option in the element
// <script type="application/json" id="ID">. Colours come from the page's own variables: in an
// option "var(--A)" stands for one. A table of the same figures stands in the figure for readers
// without pictures. Values may carry `href`: a click follows it.
"use strict";
(() => {
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  if (!figures.length || !window.echarts) return;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const painted = (value) => {
    if (typeof value === "string") {
      return value.replace(/var\((--[\w-]+)\)/g, (_, name) => colour(name));
    }
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, painted(each)]));
    }
    return value;
  };
  // On a wall the page's letters are larger, and so are the charts'.
  const small = () => Math.round(0.8 * parseFloat(getComputedStyle(document.body).fontSize));
  const axis = () => ({
    axisLine: { lineStyle: { color: colour("--line") } },
    axisLabel: { color: colour("--muted"), fontSize: small() },
    splitLine: { lineStyle: { color: colour("--line") } },
  });
  const theme = () => ({
    backgroundColor: "transparent",
    color: ["--accent", "--orange", "--A", "--C", "--red", "--ungraded"].map(colour),
    textStyle: { color: colour("--ink"), fontFamily: getComputedStyle(document.body).fontFamily },
    legend: { textStyle: { color: colour("--ink"), fontSize: small() } },
    timeAxis: axis(), valueAxis: axis(), categoryAxis: axis(), logAxis: axis(),
    // Rich text is drawn, not written into the page: nothing from outside is read as HTML.
    tooltip: {
      renderMode: "richText", confine: true, backgroundColor: colour("--card"),
      borderColor: colour("--line"), textStyle: { color: colour("--ink") },
    },
    aria: { enabled: true },
  });

  const draw = (figure) => {
    const source = document.getElementById(figure.dataset.chart);
    const held = charts.get(figure);
    if (held) held.dispose();
    const place = figure.querySelector(".plot");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const chart = window.echarts.init(place, theme(), { renderer: "canvas" });
    chart.setOption({ animation: !still, ...painted(JSON.parse(source.textContent)) });
    chart.on("click", (event) => {
      const href = event.data && event.data.href;
      if (href && href.startsWith("/")) location.assign(href);
    });
    charts.set(figure, chart);
  };
  const drawAll = () => figures.forEach(draw);
  drawAll();
  dark.addEventListener("change", drawAll);
  // A figure whose option was renewed asks to be drawn again.
  document.addEventListener("chart", (event) => draw(event.target));
  const watcher = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const chart = charts.get(entry.target);
      if (chart) chart.resize();
    }
  });
  figures.forEach((figure) => watcher.observe(figure));
})();
