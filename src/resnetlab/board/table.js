
// The table: filtered, sorted, folded, ticked; and its groups exchanged as they become others.
(() => {
  const table = document.querySelector("table.board"), form = table.closest("form");
  const words = document.getElementById("words"), states = document.getElementById("states");
  const button = form.querySelector("[type=submit]"), told = document.getElementById("told");
  const STATES = ["running", "waiting", "interrupted", "crashed", "damaged", "finished"];
  const heads = [...table.tHead.rows[0].cells], names = heads.map((head) => head.textContent);
  const asked = new URL(location.href).searchParams;
  let order = [...table.tBodies].map((body) => body.id), chosen = new Set((asked.get("state") || "").split(" ").filter(Boolean));
  let [sorted, isDown] = [names.indexOf((asked.get("sort") || "").replace(/^-/, "")), (asked.get("sort") || "").startsWith("-")];
  const folded = new Set();
  words.value = asked.get("q") || "";

  const nameOf = (row) => row.querySelector("th").dataset.v;
  const runs = (body) => [...body.rows].filter((row) => row.dataset.state);
  const above = (body) => [...body.rows].find((row) => !row.dataset.state);
  const value = (row) => {
    const found = row.cells[sorted].dataset.v;
    if (found === undefined || found === "") return null;
    return names[sorted] === "state" ? STATES.indexOf(found.replace(/^\d+ /, "").split(",")[0]) : isNaN(found) ? found : Number(found);
  };
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);  // what says nothing stays below
    const found = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return isDown ? -found : found;
  };
  const sort = () => {
    const bodies = order.map((id) => document.getElementById(id)).filter(Boolean);
    if (sorted > 0) {
      bodies.sort((a, b) => compare(a.rows[0], b.rows[0]));
      for (const body of bodies) if (body.rows.length > 1) {
        const rows = runs(body).sort(compare);
        if (rows.some((row, index) => row !== body.rows[index + 1])) body.append(...rows);
      }
    }
    if (bodies.some((body, index) => body !== table.tBodies[index])) {
      const focused = document.activeElement;
      table.append(...bodies);
      if (document.activeElement !== focused) focused.focus({ preventScroll: true });
    }
    heads.forEach((head, index) => {
      if (index && index === sorted) head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean), counts = {};
    let shown = 0;
    for (const body of table.tBodies) {
      const head = above(body), common = head ? head.textContent : "";
      let some = 0;
      for (const row of runs(body)) {
        const text = [common, nameOf(row), row.textContent].join(" ").toLowerCase();
        const fits = wanted.every((word) => text.includes(word));
        if (fits) counts[row.dataset.state] = (counts[row.dataset.state] || 0) + 1;
        const isShown = fits && (!chosen.size || chosen.has(row.dataset.state));
        row.hidden = !isShown || folded.has(body.id);
        some += isShown;
      }
      body.hidden = !some;
      if (head) {
        const fold = head.querySelector(".fold");
        fold.hidden = false;
        fold.setAttribute("aria-expanded", String(!folded.has(body.id)));
        const boxes = runs(body).map((row) => row.querySelector("[name=run]")).filter(Boolean), all = head.querySelector(".all");
        const ticked = boxes.filter((box) => box.checked).length;
        all.checked = ticked > 0 && ticked === boxes.length;
        all.indeterminate = ticked > 0 && ticked < boxes.length;
      }
      shown += some;
    }
    for (const state of STATES) {
      let chip = states.querySelector(`[data-state=${state}]`);
      const isWanted = (counts[state] || 0) > 0 || chosen.has(state);
      if (!chip) {
        chip = document.createElement("button");
        chip.type = "button";
        chip.dataset.state = state;
        const lamp = document.createElement("span");
        lamp.className = "lamp " + state;
        lamp.setAttribute("aria-hidden", "true");
        chip.append(lamp, state, document.createElement("b"));
        chip.addEventListener("click", () => { if (!chosen.delete(state)) chosen.add(state); show(); });
        states.append(chip);
      }
      chip.hidden = !isWanted;
      chip.setAttribute("aria-pressed", String(chosen.has(state)));
      chip.querySelector("b").textContent = (counts[state] || 0).toLocaleString("en");
    }
    const ticked = form.querySelectorAll("[name=run]:checked").length;
    button.hidden = false;
    button.disabled = !ticked;
    button.textContent = ticked === 1 ? "Show the ticked one" : `Show the ${ticked} ticked ones together`;
    document.getElementById("nothing").hidden = table.tBodies.length > 0;
    form.hidden = !table.tBodies.length;
    document.getElementById("tools").hidden = !table.tBodies.length;
    const going = [...table.tBodies].flatMap(runs).filter((row) => row.dataset.state === "running").length;
    document.title = (going ? `(${going}) ` : "") + document.title.replace(/^\(\d+\) /, "");
    return shown;
  };
  const keep = () => {
    const at = new URL(location.href), set = (name, text) => text ? at.searchParams.set(name, text) : at.searchParams.delete(name);
    set("q", words.value.trim());
    set("state", [...chosen].join(" "));
    set("sort", sorted > 0 ? (isDown ? "-" : "") + names[sorted] : "");
    try { history.replaceState(null, "", at); } catch { /* asked too often */ }
  };
  const show = () => { sort(); const shown = filter(); keep(); return shown; };

  heads.forEach((head, index) => head.querySelector("button")?.addEventListener("click", () => {
    const first = head.classList.contains("number") && names[index] === "accuracy" || names[index] === "began";
    if (sorted !== index) [sorted, isDown] = [index, first];
    else if (isDown === first) isDown = !first;
    else sorted = -1;  // the third click: as it came
    show();
  }));
  words.addEventListener("input", () => { told.textContent = show() + " runs are shown"; });
  words.addEventListener("keydown", (event) => { if (event.key === "Escape") { words.value = ""; show(); } });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    words.focus();
  });
  table.addEventListener("click", (event) => {
    const fold = event.target.closest(".fold");
    if (!fold) return;
    const id = fold.closest("tbody").id;
    if (!folded.delete(id)) folded.add(id);
    filter();
  });
  table.addEventListener("change", (event) => {
    if (event.target.matches(".all"))
      for (const row of runs(event.target.closest("tbody"))) {
        const box = row.querySelector("[name=run]");
        if (box) box.checked = event.target.checked && !row.hidden;
      }
    filter();
  });

  const place = (element) => {
    const row = element.closest("tbody tr");
    return row && [row.closest("tbody").id, row.querySelector("th a").href, [...row.querySelectorAll("a, button, input")].indexOf(element)];
  };
  const exchange = (found) => {
    const parts = found.querySelector("table"), focus = place(document.activeElement);
    const before = new Map([...table.tBodies].flatMap(runs).map((row) => [row.querySelector("a").href, row.dataset.state]));
    for (const part of [...parts.tBodies]) {
      const body = document.importNode(part, true), old = document.getElementById(part.id);
      if (old) {
        const ticked = new Set([...old.querySelectorAll("[name=run]:checked")].map((box) => box.value));
        for (const box of body.querySelectorAll("[name=run]")) box.checked = ticked.has(box.value);
        old.replaceWith(body);
      } else table.append(body);
    }
    order = parts.dataset.order.split(" ").filter(Boolean);
    const there = new Set(order);
    for (const body of [...table.tBodies]) if (!there.has(body.id)) body.remove();
    table.dataset.version = parts.dataset.version;
    for (const id of ["about", "notes"]) document.getElementById(id).replaceWith(document.importNode(found.getElementById(id), true));
    show();
    if (focus && !place(document.activeElement)) {
      const row = [...document.getElementById(focus[0])?.rows || []].find((each) => each.querySelector("th a").href === focus[1]);
      [...row?.querySelectorAll("a, button, input") || []][focus[2]]?.focus({ preventScroll: true });
    }
    const news = [...table.tBodies].flatMap(runs).filter((row) => before.get(row.querySelector("a").href) !== row.dataset.state);
    if (news.length) told.textContent = news.slice(0, 3).map((row) => nameOf(row) + ": " + row.dataset.state).join(", ");
  };
  show();
  following(2, () => "/?since=" + table.dataset.version, exchange);
})();
