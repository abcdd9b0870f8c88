
"use strict";
(() => {
  const root = document.documentElement, button = document.querySelector(".theme");
  const keep = (name) => { try { localStorage.setItem("resnetlab-theme", name); } catch { /* not kept */ } };
  const kept = () => { try { return localStorage.getItem("resnetlab-theme"); } catch { return null; } };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const now = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const show = () => {
    const other = now() === "dark" ? "light" : "dark";
    button.textContent = other === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", "Show the page in " + other + " colours");
  };
  if (!button) return;
  if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    keep(root.dataset.theme);
    show();
  });
  dark.addEventListener("change", show);
  show();
})();
