// Traffic as charts that can be read at a point, and that go on while somebody sees them. Without this the pictures
// that the server drew stand there.
(() => {
  "use strict";
  const place = document.querySelector("[data-traffic]");
  if (!place || typeof uPlot === "undefined") {
    return;
  }
  const seconds = Number(place.dataset.seconds);
  const age = document.querySelector("[data-traffic-age]");
  const plots = new Map();
  const units = ["", " k", " M", " G", " T"];
  let said = null;
  let heardAt = 0;
  let asking = false;

  const rate = (value) => {
    if (value === null || value === undefined) {
      return "–";
    }
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit += 1;
    }
    return `${value < 99.95 ? String(Number(value.toFixed(1))) : value.toFixed(0)}${units[unit]}`;
  };
  const words = (value) =>
    value < 120 ? `${value} s` : value < 7200 ? `${Math.floor(value / 60)} min` : `${Math.floor(value / 3600)} h`;
  const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A sample between two gaps is no line: it is a point.
  const alone = (plot, index) => {
    const curve = plot.data[index];
    const known = (at) => curve[at] !== null && curve[at] !== undefined;
    return [...curve.keys()].filter((at) => known(at) && !known(at - 1) && !known(at + 1));
  };
  const options = (target, labels, width) => {
    const stale = place.classList.contains("stale");
    const text = colour("--bs-secondary-color") || "#666";
    const grid = { stroke: colour("--bs-border-color"), width: 1 };
    const strokes = stale ? [text, text] : [colour("--curve-in"), colour("--curve-out")];
    const axis = { stroke: text, grid, ticks: grid };
    return {
      width,
      height: 180,
      cursor: { sync: { key: "traffic" }, drag: { x: false, y: false } },
      legend: { live: true },
      scales: { y: { range: (plot, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
      axes: [{ ...axis, values: (plot, ticks) => ticks.map(clock) }, { ...axis, size: 60, values: (plot, ticks) => ticks.map(rate) }],
      series: [
        { value: (plot, at) => (at === null ? "–" : new Date(at * 1000).toLocaleTimeString([], { hourCycle: "h23" })) },
        ...labels.map((label, index) => ({
          label,
          stroke: strokes[index % 2],
          width: 1.5,
          dash: stale ? [3, 3] : index === 1 ? [6, 2] : undefined, // told apart without colour, too
          spanGaps: false,
          points: { show: true, size: 4, filter: alone },
          value: (plot, value) => rate(value),
        })),
      ],
    };
  };
  const draw = () => {
    for (const target of place.querySelectorAll("[data-chart]")) {
      const curves = said.charts[target.dataset.chart];
      const figures = [said.times, ...curves];
      const plot = plots.get(target);
      if (plot) {
        plot.setData(figures);
        continue;
      }
      const still = place.querySelector(`[data-still="${target.dataset.chart}"]`);
      if (still) {
        still.hidden = true;
      }
      const width = Math.max(200, target.clientWidth);
      plots.set(target, new uPlot(options(target, target.dataset.labels.split(","), width), figures, target));
    }
  };
  const again = () => {
    for (const [target, plot] of plots) {
      plot.destroy();
      plots.delete(target);
    }
    if (said) {
      draw();
    }
  };
  const put = (cell, text) => {
    if (cell && cell.textContent !== text) {
      cell.textContent = text;
    }
  };
  const figuresOf = (curve) => {
    const known = curve.filter((value) => value !== null);
    const newest = curve.slice(-4).filter((value) => value !== null);
    const sum = known.reduce((all, value) => all + value, 0);
    return [newest.length ? newest[newest.length - 1] : null, known.length ? sum / known.length : null, known.length ? Math.max(...known) : null];
  };
  const tell = () => {
    for (const row of place.querySelectorAll("[data-figures]")) {
      const found = figuresOf(said.charts[row.dataset.figures][Number(row.dataset.curve)]);
      row.querySelectorAll("td").forEach((cell, index) => put(cell, rate(found[index])));
    }
    for (const row of place.querySelectorAll("[data-server]")) {
      const found = Object.hasOwn(said.servers, row.dataset.server) ? said.servers[row.dataset.server] : null;
      for (const cell of row.querySelectorAll("[data-cell]")) {
        const [name, index] = cell.dataset.cell.split(" ");
        put(cell, found ? found[name][Number(index)] : "–");
      }
    }
  };
  // How old it is goes on by this browser's own clock, also while nobody answers.
  const grow = () => {
    if (!said) {
      return;
    }
    const waited = Math.round((performance.now() - heardAt) / 1000);
    const old = said.age === null ? null : said.age + waited;
    const stale = old === null || old > 30;
    const none = document.querySelector("[data-traffic-none]");
    if (none) {
      none.hidden = old !== null;
    }
    put(age, old === null ? "no sample in the last hour" : `newest sample ${words(old)} old${stale ? ": it is not known how it is now" : ""}`);
    if (stale !== place.classList.contains("stale")) {
      place.classList.toggle("stale", stale);
      place.querySelector("[data-traffic-old]")?.remove();
      again();
    }
  };
  const ask = async () => {
    if (document.hidden || asking) {
      return;
    }
    asking = true;
    try {
      const answer = await fetch(place.dataset.traffic, { headers: { Accept: "application/json" }, redirect: "error" });
      if (answer.ok) {
        said = await answer.json();
        heardAt = performance.now();
        draw();
        tell();
      }
    } catch {
      // The age goes on growing, and says so.
    }
    asking = false;
    grow();
  };
  document.addEventListener("visibilitychange", ask);
  window.setInterval(ask, seconds * 1000);
  window.setInterval(grow, 5000);
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  new ResizeObserver(() => {
    for (const [target, plot] of plots) {
      const width = Math.max(200, target.clientWidth);
      if (Math.abs(plot.width - width) > 2) {
        plot.setSize({ width, height: 180 });
      }
    }
  }).observe(place);
  ask();
})();
