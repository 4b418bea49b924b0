// Narrows the ops by name, dtype and version. The state is in the address: #op=Conv&dtype=HALF&version=15.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("narrow"), rows = [...document.querySelectorAll("#kernels tbody tr")];
  const names = ["op", "dtype", "version"];
  const lines = rows.map((row) => [...row.querySelectorAll("li")].map((line) =>
    [line, new Set(line.dataset.n.split(" ")), new Set(line.dataset.d.split(" "))]));

  const read = () => {  // an address that names no part of a state is an op's or a version's own place
    const state = Object.fromEntries(names.map((name) => [name, ""]));
    for (const part of location.hash.slice(1).split("&")) {
      const [key, value] = part.split("=", 2).map((text) => { try { return decodeURIComponent(text); } catch { return ""; } });
      if (value !== undefined && names.includes(key)) state[key] = value.slice(0, 80);
    }
    return state;
  };
  const narrow = () => {
    const state = read(), wanted = state.op.toLowerCase();
    names.forEach((name) => { if (form.elements[name].value !== state[name]) form.elements[name].value = state[name]; });
    let count = 0;
    rows.forEach((row, at) => {
      let shown = 0;
      for (const [line, numbers, dtypes] of lines[at]) {
        line.hidden = Boolean((state.version && !numbers.has(state.version)) || (state.dtype && !dtypes.has(state.dtype)));
        shown += !line.hidden;
      }
      row.hidden = !shown || !row.id.toLowerCase().includes(wanted);
      count += !row.hidden;
    });
    const any = names.some((name) => state[name]);
    document.getElementById("told").textContent = any ? `${count} of ${rows.length} ops.` : `${rows.length} ops.`;
  };
  const go = () => {
    const parts = names.filter((name) => form.elements[name].value)
      .map((name) => `${name}=${encodeURIComponent(form.elements[name].value)}`);
    history.replaceState(null, "", parts.length ? `#${parts.join("&")}` : location.pathname + location.search);
    narrow();
  };
  form.addEventListener("input", go);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    names.forEach((name) => { form.elements[name].value = ""; });
    go();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", narrow);
  form.hidden = false;
  narrow();
});
