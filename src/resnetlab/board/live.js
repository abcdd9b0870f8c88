
// Asks the server again and again; what it says is a document that nothing in runs.
const following = (seconds, address, take) => {
  const status = document.getElementById("status");
  const say = (text) => { if (status && status.textContent !== text) status.textContent = text; };
  let timer = 0, isAsking = false;
  const later = () => { isAsking = false; clearTimeout(timer); timer = setTimeout(ask, 1000 * seconds); };
  const ask = () => {
    if (isAsking) return;
    if (document.hidden) { later(); return; }
    isAsking = true;
    const request = new XMLHttpRequest();
    request.open("GET", address());
    request.responseType = "document";
    request.timeout = 30000;
    request.onload = () => {
      try {
        if (request.status === 200 && request.response) { say(""); take(request.response); }
        else if (request.status === 404) say("This is not in the folder any more.");
        else if (request.status >= 400) say("The board cannot show this just now; it tries again.");
        else say("");
      } finally { later(); }
    };
    request.onerror = request.ontimeout = () => {
      say("The board does not answer: this is what it said last. Start it again by `resnetlab board`.");
      later();
    };
    request.send();
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  later();
};
