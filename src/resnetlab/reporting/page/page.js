
const setUpPage = (from = document) => {
  const charts = JSON.parse(from.getElementById("charts").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const drawn = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  // Charts: the pointer, or the arrow keys, choose a place; the legend says every line's value there.
  const share = ([low, high, log], value) =>
    log ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
  const told = (series, value) => {
    const least = 10 ** -series.digits;
    const text = Math.abs(value) >= least || !value ? value.toFixed(series.digits) : value.toPrecision(2);
    return text + series.unit;
  };
  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle; else high = middle;
    }
    return Math.abs(points[low][0] - x) <= Math.abs(points[high][0] - x) ? points[low] : points[high];
  };
  for (const figure of document.querySelectorAll(".chart")) {
    const chart = charts[figure.dataset.chart], plot = figure.querySelector(".plot");
    const where = figure.querySelector(".where"), spoken = figure.querySelector(".spoken");
    const values = figure.querySelectorAll("[data-series]"), keys = figure.querySelectorAll(".legend .key");
    const ends = [...values].map((value) => value.textContent), rest = where.textContent;
    const full = chart.series.filter((series) => series.points.length);
    const guides = full.filter((series) => !series.strip);
    const stops = [...new Set((guides.length ? guides : full)[0]?.points.map((point) => point[0]) || [])];
    const has = (series, x) => series.points.length && (!chart.bounded
      || (series.points[0][0] <= x && x <= series.points.at(-1)[0]));
    let place = null;
    const named = (x) => {
      if (chart.names.length) return chart.names[Math.round(x)] || "";
      const epoch = chart.epoch ? " (epoch " + (x / chart.epoch).toFixed(2) + ")" : "";
      return chart.word + " " + x.toLocaleString("en", { maximumFractionDigits: chart.digits }) + epoch;
    };
    const show = (x, speaks) => {
      place = x;
      const said = [];
      for (const svg of plot.querySelectorAll("svg")) {
        const [left, top, wide, high, foot, strip] = svg.dataset.plot.split(" ").map(Number);
        const group = svg.querySelector(".pointer");
        group.replaceChildren();
        const at = left + wide * share(chart.x, x);
        group.append(drawn("line", { x1: at, x2: at, y1: top, y2: foot }));
        chart.series.forEach((series, index) => {
          if (!has(series, x)) return;
          const [px, py] = nearest(series.points, x);
          const y = series.strip ? foot - strip * share(chart.strip, py) : top + high * (1 - share(chart.y, py));
          const color = [...keys[index].classList].find((name) => /^(s\d|rate)$/.test(name));
          if (y >= top - 1) group.append(drawn("circle", {
            class: "dot " + color, cx: left + wide * share(chart.x, px), cy: y, r: 4 }));
        });
      }
      chart.series.forEach((series, index) => {
        if (!series.points.length) return;
        if (!has(series, x)) { values[index].textContent = "–"; return; }
        const text = told(series, nearest(series.points, x)[1]);
        values[index].textContent = text;
        said.push(values[index].previousElementSibling.textContent + " " + text);
      });
      where.textContent = named(x);
      if (speaks) spoken.textContent = named(x) + ": " + said.join(", ");
    };
    const clear = () => {
      place = null;
      plot.querySelectorAll(".pointer").forEach((group) => group.replaceChildren());
      values.forEach((value, index) => { value.textContent = ends[index]; });
      where.textContent = rest;
    };
    const follow = (event) => {
      const svg = [...plot.querySelectorAll("svg")].find((each) => each.getBoundingClientRect().width);
      if (!svg || !stops.length) return;
      const box = svg.getBoundingClientRect(), [left, , wide] = svg.dataset.plot.split(" ").map(Number);
      const seen = ((event.clientX - box.left) / box.width * svg.viewBox.baseVal.width - left) / wide;
      const x = chart.x[0] + Math.min(Math.max(seen, 0), 1) * (chart.x[1] - chart.x[0]);
      show(nearest(stops.map((stop) => [stop]), x)[0], false);
    };
    plot.addEventListener("pointermove", follow);
    plot.addEventListener("pointerdown", follow);
    plot.addEventListener("pointerleave", clear);
    plot.addEventListener("blur", clear);
    plot.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") { clear(); return; }
      if (!(event.key in moves) || !stops.length) return;
      event.preventDefault();
      const now = place === null ? (moves[event.key] > 0 ? -1 : stops.length) : stops.indexOf(place);
      show(stops[Math.min(Math.max(now + moves[event.key], 0), stops.length - 1)], true);
    });
  }

  // Tables are sorted by a click on a heading.
  const number = (text) => { const found = parseFloat(text.replace(/[,\s]/g, "")); return isNaN(found) ? null : found; };
  for (const table of document.querySelectorAll("table.sorts")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => head.querySelector("button")?.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows], isNumber = head.classList.contains("number");
      const key = (row) => isNumber ? number(row.cells[index].textContent) : row.cells[index].textContent;
      const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
        : a === null ? -1 : b === null ? 1 : String(a).localeCompare(String(b), "en", { numeric: true });
      rows.sort((a, b) => (down ? -1 : 1) * compare(key(a), key(b)));
      table.tBodies[0].append(...rows);
    }));
  }

  offerCopies();
};
setUpPage();
document.addEventListener("renewed", (event) => setUpPage(event.detail));  // a server's page was exchanged

// What is folded is printed too.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.dataset.was = each.open; each.open = true; }));
addEventListener("afterprint", () => document.querySelectorAll("details").forEach((each) => { each.open = each.dataset.was === "true"; }));
