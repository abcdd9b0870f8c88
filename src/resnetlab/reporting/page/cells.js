
const setUpCells = (from = document) => {
  const data = JSON.parse(from.getElementById("report").textContent);
  const made = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

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
        if (each.place) item.append(made("span", each.place.split("/").pop(), { class: "place", title: each.place }));
        if (typeof each.probability === "number") item.append(made("span", (100 * each.probability).toFixed(1) + "\u00a0% sure"));
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
};
setUpCells();
document.addEventListener("renewed", (event) => setUpCells(event.detail));  // a server's page was exchanged
