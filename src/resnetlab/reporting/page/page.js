
(() => {
  const data = JSON.parse(document.getElementById("report").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const made = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
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
    const chart = data.charts[figure.dataset.chart], plot = figure.querySelector(".plot");
    const where = figure.querySelector(".where"), spoken = figure.querySelector(".spoken");
    const values = figure.querySelectorAll("[data-series]"), keys = figure.querySelectorAll(".legend .key");
    const ends = [...values].map((value) => value.textContent);
    const full = chart.series.filter((series) => series.points.length);
    const guides = full.filter((series) => !series.strip);
    const stops = [...new Set((guides.length ? guides : full)[0]?.points.map((point) => point[0]) || [])];
    let place = null;
    const named = (x) => {
      if (chart.names.length) return chart.names[Math.round(x)] || "";
      const epoch = chart.epoch ? " (epoch " + (x / chart.epoch).toFixed(2) + ")" : "";
      return chart.word + " " + Math.round(x).toLocaleString("en") + epoch;
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
          if (!series.points.length) return;
          const [px, py] = nearest(series.points, x);
          const y = series.strip ? foot - strip * share(chart.strip, py) : top + high * (1 - share(chart.y, py));
          const color = [...keys[index].classList].find((name) => /^(s\d|rate)$/.test(name));
          if (y >= top - 1) group.append(drawn("circle", {
            class: "dot " + color, cx: left + wide * share(chart.x, px), cy: y, r: 4 }));
        });
      }
      chart.series.forEach((series, index) => {
        if (!series.points.length) return;
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
      where.textContent = "\u00a0";
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

  // Cells of the confusion matrix, and counts in the list, open what was taken for what.
  const dialog = document.getElementById("cell");
  const source = (number) => {
    const shown = document.querySelector(`img[data-picture="${number}"]`);
    return shown ? shown.src : (data.pictures || {})[number];
  };
  for (const again of document.querySelectorAll("img[data-again]")) again.src = source(again.dataset.again) || "";
  const open = (key) => {
    const cell = (data.cells || {})[key];
    if (!cell) return;
    const head = made("header"), close = made("button", "Close", { type: "button" });
    const images = cell.count === 1 ? "1 image" : cell.count.toLocaleString("en") + " images";
    head.append(made("h2", cell.truth + " taken for " + cell.answer + ": " + images, { id: "cell-title" }), close);
    close.addEventListener("click", () => dialog.close());
    const parts = [head];
    const pictures = cell.pictures.filter((each) => source(each.image));
    if (pictures.length) {
      const list = made("ul");
      for (const each of pictures) {
        const item = made("li");
        item.append(made("img", undefined, { src: source(each.image), alt: cell.truth + ": " + each.place }));
        if (each.place) item.append(made("span", each.place));
        list.append(item);
      }
      parts.push(list);
    }
    if (cell.rows.length && !pictures.length) {
      const list = made("ol");
      for (const [place, sure] of cell.rows) list.append(made("li", place + ", " + (100 * sure).toFixed(1) + " % sure"));
      parts.push(list);
    }
    const shown = pictures.length || cell.rows.length;
    if (!shown) parts.push(made("p", "Which images these are was not kept; `resnetlab eval RUN` keeps every answer."));
    else if (shown < cell.count) parts.push(made("p", shown + " of " + cell.count.toLocaleString("en") + " are shown.", { class: "faint" }));
    dialog.replaceChildren(...parts);
    dialog.showModal();
  };
  for (const button of document.querySelectorAll("[data-cell]"))
    button.addEventListener("click", () => open(button.dataset.cell));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const matrix = document.querySelector(".matrix");
  if (matrix) {
    const rows = [...matrix.tBodies[0].rows].map((row) => [...row.cells].slice(1));
    const buttons = [...matrix.querySelectorAll("button")];
    buttons.forEach((button, index) => { button.tabIndex = index ? -1 : 0; });
    const find = (row, column, [down, right]) => {
      for (let r = row + down, c = column + right; rows[r] && rows[r][c]; r += down, c += right) {
        const line = right ? [rows[r][c]] : [rows[r][c]];
        const found = line.map((cell) => cell.querySelector("button")).find(Boolean);
        if (found) return found;
      }
      const now = buttons.indexOf(document.activeElement);  // none in that line: the next one in reading order
      return buttons[now + (down + right > 0 ? 1 : -1)];
    };
    matrix.addEventListener("keydown", (event) => {
      const ways = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const cell = event.target.closest("td");
      if (!(event.key in ways) || !cell) return;
      event.preventDefault();
      const row = rows.findIndex((cells) => cells.includes(cell)), column = rows[row].indexOf(cell);
      const next = find(row, column, ways[event.key]);
      if (!next) return;
      buttons.forEach((button) => { button.tabIndex = button === next ? 0 : -1; });
      next.focus();
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

  // Lines of code are copied by a click, where the browser lets a page do that.
  for (const block of document.querySelectorAll(".code")) {
    if (!navigator.clipboard) break;
    const button = made("button", "Copy", { type: "button" });
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(block.querySelector("code").textContent); button.textContent = "Copied"; }
      catch { button.textContent = "Not allowed"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
  // What is folded is printed too.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.dataset.was = each.open; each.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll("details").forEach((each) => { each.open = each.dataset.was === "true"; }));
})();
