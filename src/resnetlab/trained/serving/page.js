
// Pictures are sent one after another; what the server says of each becomes a card.
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const answers = document.getElementById("answers"), tools = document.getElementById("tools");
  const told = document.getElementById("told"), files = document.getElementById("files");
  const SVG = "http://www.w3.org/2000/svg";
  const made = (name, look = "", words = "", ...inside) => {
    const element = document.createElement(name);
    if (look) element.className = look;
    element.append(...(words ? [words] : []), ...inside);
    return element;
  };
  const percent = (share) => (100 * share).toFixed(share < 0.00995 ? 2 : 1) + "\u00a0%";
  const took = (ms) => ms < 1000 ? ms.toFixed(ms < 10 ? 1 : 0) + " ms" : (ms / 1000).toFixed(1) + " s";
  const named = (answer) => answer.words || answer.class;
  const later = (seconds) => new Promise((done) => { setTimeout(done, 1000 * seconds); });

  // The server: it may ask to wait, and may be gone.
  const ask = async (file, query) => {
    if (file.size > 1e6 * facts.limits.megabytes) {
      return { error: "That is too large: at most " + facts.limits.megabytes + " MB are taken.", isFinal: true };
    }
    for (let tries = 0; ; tries += 1) {
      const form = new FormData();
      form.append("image", file, file.name || "pasted picture");
      let response;
      try { response = await fetch("/predict?" + query, { method: "POST", body: form }); }
      catch { return { error: "The server does not answer.", hint: "It was ended, perhaps: start it again by resnetlab serve." }; }
      if ([429, 503].includes(response.status) && tries < 20) {
        await later(Number(response.headers.get("Retry-After")) || 1);
        continue;
      }
      try { return await response.json(); }
      catch { return { error: "The answer of the server cannot be read." }; }
    }
  };

  const line = (words, share) => {
    const bar = document.createElementNS(SVG, "svg");
    bar.setAttribute("aria-hidden", "true");
    for (const [look, width] of [["ground", 1], ["share", share]]) {
      const part = document.createElementNS(SVG, "rect");
      part.setAttribute("class", look);
      part.setAttribute("width", 100 * width + "%");
      part.setAttribute("height", "100%");
      bar.append(part);
    }
    return [made("span", "name", words), bar, made("span", "number", percent(share))];
  };

  const closing = (card, name) => {
    const button = made("button", "away", "×");
    button.type = "button";
    button.setAttribute("aria-label", "Remove " + name);
    button.addEventListener("click", () => { card.remove(); count(); files.focus(); });
    return button;
  };

  // The picture as the network saw it, and over it what speaks for a class.
  const figure = (image, name) => {
    const stack = made("div", "stack"), picture = made("img"), heat = made("img");
    picture.alt = name + ", as the network saw it";
    picture.addEventListener("load", () => {
      stack.classList.toggle("pixels", picture.naturalWidth < 100);
      stack.style.aspectRatio = picture.naturalWidth + " / " + picture.naturalHeight;
    });
    picture.src = image.picture;
    stack.append(picture);
    const part = made("figure", "", "", stack);
    if (!image.explanation) {
      part.append(made("figcaption", "seen", "What the network saw"));
      return [part, () => {}];
    }
    const words = made("span"), strength = made("input");
    strength.type = "range";
    strength.max = 100;
    strength.value = 70;
    const shine = () => { heat.style.opacity = strength.value / 100; };
    strength.addEventListener("input", shine);
    shine();
    stack.append(heat);
    part.append(made("figcaption", "seen", "", words,
      made("div", "scale", "", made("span", "", "little"), made("i"), made("span", "", "much")),
      made("label", "", "", made("span", "", "Picture"), strength, made("span", "", "Heat"))));
    strength.setAttribute("aria-label", "How much of the heat is laid over the picture");
    const show = (explanation, called) => {
      part.setAttribute("aria-busy", String(!explanation));
      if (!explanation) { words.textContent = "The network looks for " + called + " …"; return; }
      heat.src = explanation.overlay;
      heat.alt = "What of it speaks for " + called;
      const isEmpty = explanation.map.every((row) => row.every((value) => value === 0));
      words.textContent = "Grad-CAM: " + (isEmpty ? "no place speaks for " : "what speaks for ") + called;
    };
    return [part, show];
  };

  const classes = (card, file, image, show) => {
    const list = made("ol", "classes");
    const buttons = image.answers.map((answer) => {
      const button = made(image.explanation ? "button" : "div", "", "", ...line(named(answer), answer.probability));
      list.append(made("li", "", "", button));
      if (!image.explanation) return button;
      button.type = "button";
      button.title = "Show what speaks for it";
      button.addEventListener("click", async () => {
        const before = shown;
        press(button);
        show(null, named(answer));
        const found = await ask(file, "top=1&explain=" + encodeURIComponent(answer.class));
        if (button.getAttribute("aria-pressed") !== "true") return;  // another was chosen meanwhile
        if (found.error) { say(found.error); press(before[0]); show(...before.slice(1)); return; }
        shown = [button, found.images[0].explanation, named(answer)];
        show(...shown.slice(1));
        say("What speaks for " + named(answer));
      });
      return button;
    });
    const press = (button) => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
    let shown = [buttons[0], image.explanation, named(image.answers[0])];
    if (image.explanation) { press(buttons[0]); show(...shown.slice(1)); }
    return list;
  };

  const fill = (card, file, name, found) => {
    const image = found.images[0], first = image.answers[0];
    const [part, show] = figure(image, name);
    const title = made("h3", "", named(first), made("span", "", percent(first.probability)));
    const how = made("p", "how", took(found.ms) + ", engine " + found.engine);
    card.className = "answer";
    card.replaceChildren(part, made("div", "", "", made("p", "file", name), title, classes(card, file, image, show), how),
      closing(card, name));
    say(name + ": " + named(first) + ", " + percent(first.probability));
  };

  const fail = (card, file, name, found) => {
    card.className = "answer bare wrong";
    const why = found.error.startsWith(name + ": ") ? found.error.slice(name.length + 2) : found.error;
    const parts = [made("p", "file", name), made("p", "bad", why[0].toUpperCase() + why.slice(1))];
    if (found.hint) parts.push(made("p", "", found.hint));
    if (!found.isFinal && !(found.status >= 400 && found.status < 429)) {
      const again = made("button", "again", "Try again");
      again.type = "button";
      again.addEventListener("click", () => { wait(card, name); queue.push([card, file, name]); work(); });
      parts.push(again);
    }
    card.replaceChildren(made("div", "", "", ...parts), closing(card, name));
    say(name + ": " + why);
  };

  const wait = (card, name) => {
    card.className = "answer bare waits";
    card.replaceChildren(made("div", "", "", made("p", "file", name), made("p", "words", "The network looks at it …")), closing(card, name));
  };

  const say = (words) => { told.textContent = words; };
  const count = () => {
    const isEmpty = !answers.children.length;
    tools.hidden = isEmpty;
    document.body.classList.toggle("has-answers", !isEmpty);
  };

  const queue = [];
  let isAtWork = false;
  const work = async () => {
    if (isAtWork) return;
    isAtWork = true;
    while (queue.length) {
      const [card, file, name] = queue.shift();
      if (!card.isConnected) continue;  // it was removed before its turn
      const found = await ask(file, "show&top=" + facts.top + (facts.explains ? "&explain" : ""));
      if (card.isConnected) (found.error ? fail : fill)(card, file, name, found);
    }
    isAtWork = false;
  };
  const take = (given) => {
    for (const file of [...given]) {
      const card = made("li"), name = file.name || "pasted picture";
      wait(card, name);
      answers.prepend(card);
      queue.push([card, file, name]);
    }
    count();
    work();
  };

  files.addEventListener("change", () => { take(files.files); files.value = ""; });
  document.getElementById("drop").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => { answers.replaceChildren(); queue.length = 0; count(); files.focus(); });
  addEventListener("paste", (event) => { if (event.clipboardData?.files.length) take(event.clipboardData.files); });
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragged"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragged"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragged");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else say("That was no file: save the picture first.");
  });
  offerCopies();
})();
