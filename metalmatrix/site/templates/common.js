// What every page does: it wears the theme that was chosen, and opens what is closed before it is printed.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = { get: () => { try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; } },
    set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* a private window */ } } };
  const wear = (theme) => { theme === "auto" ? root.removeAttribute("data-theme") : root.setAttribute("data-theme", theme); };
  wear(kept.get());  // before anything is drawn

  document.addEventListener("DOMContentLoaded", () => {
    const theme = document.getElementById("theme"), next = { auto: "light", light: "dark", dark: "auto" };
    const tell = () => { theme.textContent = `Theme: ${kept.get()}`; };
    theme.addEventListener("click", () => { kept.set(next[kept.get()] || "auto"); wear(kept.get()); tell(); });
    theme.hidden = false;
    tell();
    addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  });
})();
