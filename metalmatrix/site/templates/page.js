// What the page does beyond being read: it narrows the grid, and opens a cell. The state is in the address,
// #CELL&python=3.11&macos=13.0, so it can be linked and the back button works. No text becomes markup.
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const $ = (id) => document.getElementById(id);
    const model = JSON.parse($("model").textContent);
    const { pythons, frameworks, plugins, order, signs, dossiers, floors, near, fields, grid, matrix, ran, kernels } = model;
    const form = $("mac"), table = $("cells"), panel = $("cell"), body = table.tBodies[0];
    const heads = [...table.tHead.querySelectorAll(".head")], families = [...table.tHead.querySelectorAll("[scope=colgroup]")];
    const final = (version) => !/[a-z]/.test(version);
    const names = ["python", "macos", "chip", "releases"];

    const make = (name, attributes = {}, ...children) => {
      const made = document.createElement(name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.append(...children);
      return made;
    };
    const older = (a, b) => {  // whether version a comes before b
      const [left, right] = [a, b].map((text) => text.split(".").map(Number));
      for (let i = 0; i < 3; i++) if ((left[i] || 0) !== (right[i] || 0)) return (left[i] || 0) < (right[i] || 0);
      return false;
    };

    // The address ------------------------------------------------------------------------------

    const read = () => {
      const state = { cell: "", ...Object.fromEntries(names.map((name) => [name, ""])) };
      for (const part of location.hash.slice(1).split("&")) {
        const [key, value] = part.split("=", 2).map((text) => { try { return decodeURIComponent(text); } catch { return ""; } });
        if (value === undefined) { if (key.startsWith("py3.")) state.cell = key; }
        else if (names.includes(key)) {
          const options = [...form.elements[key].options].map((option) => option.value);
          if (options.includes(value)) state[key] = value;
        }
      }
      return state;
    };
    const address = (state) => "#" + [state.cell, ...names.filter((name) => state[name])
      .map((name) => `${name}=${encodeURIComponent(state[name])}`)].filter(Boolean).join("&");
    let state = read(), narrowed = "", tallied = "";
    const go = (change) => {
      const next = address({ ...state, ...change });
      if (next !== location.hash && !(next === "#" && !location.hash)) {
        history.pushState(null, "", next === "#" ? location.pathname + location.search : next);
      }
      show();
    };

    // Cells --------------------------------------------------------------------------------------

    const idOf = (f, p, python) => `py${python}-tf${frameworks[f]}-${plugins[p][2]}`;
    const find = (id) => {
      const python = id.slice(2).split("-", 1)[0], rest = id.slice(python.length + 3);
      for (let f = 0; f < frameworks.length; f++) for (let p = 0; p < plugins.length; p++) {
        if (rest === `tf${frameworks[f]}-${plugins[p][2]}`) {
          const group = fields[grid[f][p]].find(([mask]) => pythons.includes(python) && mask & (1 << pythons.indexOf(python)));
          return group ? { f, p, python, group } : null;
        }
      }
      return null;
    };
    const tooNew = (macos) => Boolean(state.macos && macos && older(state.macos, macos));
    const ranOn = (id, { chip, macos }) => (ran[id] || []).some(([system, seen]) =>
      (!chip || seen === chip) && (!macos || system.split(".")[0] === macos.split(".")[0]));
    const fits = (f, p, python, [, , floor], wanted) => (!wanted.python || python === wanted.python)
      && !(wanted.macos && floors[floor] && older(wanted.macos, floors[floor]))
      && (!wanted.chip || ranOn(idOf(f, p, python), wanted));
    const span = (found) => {
      const minors = found.map((python) => Number(python.slice(2))).sort((a, b) => a - b), runs = [];
      for (const minor of minors) {
        if (runs.length && runs.at(-1)[1] === minor - 1) runs.at(-1)[1] = minor; else runs.push([minor, minor]);
      }
      return runs.map(([a, b]) => a === b ? `3.${a}` : `3.${a}-3.${b}`).join(", ");
    };
    const lines = (f, p, wanted) => {  // the same as the page is made with, of those that fit
      const found = new Map();
      const groups = [...fields[grid[f][p]]]
        .sort((a, b) => dossiers[a[1]][0] - dossiers[b[1]][0] || dossiers[a[1]][1] - dossiers[b[1]][1]);
      for (const group of groups) for (const python of pythons) {
        if (!(group[0] & (1 << pythons.indexOf(python))) || !fits(f, p, python, group, wanted)) continue;
        const [word, worse] = dossiers[group[1]], key = word * 2 + worse;
        if (!found.has(key)) found.set(key, { word: order[word], worse, dossier: group[1], pythons: [] });
        found.get(key).pythons.push(python);
      }
      const all = [...found.values()], good = all.filter((line) => line.word !== "not-installable");
      return good.length ? good : all.map((line) => ({ ...line, pythons: [] }));
    };

    // The grid -----------------------------------------------------------------------------------

    const narrow = () => {
      const wanted = { ...state, cell: "" }, key = address(wanted);
      if (key === narrowed) return;
      narrowed = key;
      const any = wanted.python || wanted.macos || wanted.chip;
      const keptRow = frameworks.map((f, i) => wanted.releases === "all" || (wanted.releases === "matrix" ? matrix[0][i] : final(f)));
      const keptColumn = plugins.map((p, i) => wanted.releases !== "matrix" || matrix[1][i]);
      const told = grid.map((row, f) => row.map((_, p) => lines(f, p, wanted)));
      const alive = (line) => line.length && line[0].word !== "not-installable";
      const rows = keptRow.map((yes, f) => yes && (!any || told[f].some((line, p) => keptColumn[p] && alive(line))));
      const columns = keptColumn.map((yes, p) => yes && (!any || told.some((row, f) => rows[f] && alive(row[p]))));
      const tally = {};
      let count = 0;
      table.classList.toggle("one", Boolean(wanted.python));
      frameworks.forEach((_, f) => {
        const row = body.rows[f];
        row.hidden = !rows[f];
        plugins.forEach((_, p) => {
          const field = row.cells[p + 1];
          field.hidden = !columns[p];
          field.replaceChildren(...told[f][p].map((line) => {
            if (rows[f] && columns[p]) { const n = line.pythons.length; tally[line.word] = (tally[line.word] || 0) + n; count += n; }
            return make("a", { href: `#e${line.dossier}`, class: line.word[0], tabindex: "-1" }, line.word + (line.worse ? "*" : ""),
              ...(line.pythons.length ? [make("i", {}, span(line.pythons))] : []));
          }));
        });
      });
      plugins.forEach((_, p) => { heads[p].hidden = !columns[p]; });
      let at = plugins.filter(([, version]) => version === "none").length;
      families.forEach((head) => {
        const width = Number(head.dataset.width ||= head.colSpan), left = columns.slice(at, at += width).filter(Boolean).length;
        head.hidden = !left;
        if (left) head.colSpan = left;
      });
      const seen = new Set(), best = [...document.querySelectorAll(".best li")].filter((row) => {
        const { python, macos, cell } = row.dataset, { f, p } = find(cell);
        row.hidden = Boolean(!keptRow[f] || !keptColumn[p] || (wanted.python && python !== wanted.python) || tooNew(macos)
          || (wanted.macos && seen.has(python)));  // of each Python the first that is left
        if (!row.hidden) seen.add(python);
        return !row.hidden;
      });
      if (any && best.length === 1) best[0].querySelector("details").open = true;
      const early = wanted.releases ? [] : [...document.querySelectorAll(".best li[data-early]")].filter(({ dataset: { python, macos } }) =>
        !best.some((row) => row.dataset.python === python) && (!wanted.python || python === wanted.python)
        && !tooNew(macos));
      $("early").hidden = !early.length;
      $("early").replaceChildren(...early.length ? [`Only pre-releases for Python ${early.map((row) => row.dataset.python).join(", ")}: `,
        make("a", { href: address({ ...wanted, releases: "all" }) }, "show all releases"), "."] : []);
      const counts = order.filter((word) => tally[word]).map((word) => `${tally[word]} ${word}`).join(", ");
      tallied = any
        ? (count ? `${count} combination${count === 1 ? "" : "s"} of these releases fit${count === 1 ? "s" : ""}: ${counts}.`
          : `No combination of these releases fits.${wanted.releases ? "" : " There may be pre-releases: choose all releases."}`)
        : "";
      rove(body.querySelector("tr:not([hidden]) > td:not([hidden])"));
    };

    // The keyboard: the grid is one stop, arrows move within it.
    let stop = null;
    const rove = (field, focus = false) => {
      if (stop) stop.tabIndex = -1;
      stop = field;
      if (!field) return;
      field.tabIndex = 0;
      if (focus) { field.focus(); field.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    };
    const place = (field) => [field.parentElement.sectionRowIndex, field.cellIndex - 1];
    const step = (field, down, right) => {
      let [f, p] = place(field);
      do { f += down; p += right; } while (body.rows[f]?.cells[p + 1] && (body.rows[f].hidden || body.rows[f].cells[p + 1].hidden));
      return p < 0 ? null : body.rows[f]?.cells[p + 1];
    };
    const far = (field, down, right) => { let next; while ((next = step(field, down, right))) field = next; return field; };
    const keys = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    table.addEventListener("keydown", (event) => {
      const field = event.target.closest("td");
      if (!field || event.altKey || event.metaKey) return;
      let next = null;
      if (keys[event.key]) next = (event.ctrlKey ? far : step)(field, ...keys[event.key]);
      else if (event.key === "Home") next = far(event.ctrlKey ? far(field, -1, 0) : field, 0, -1);
      else if (event.key === "End") next = far(event.ctrlKey ? far(field, 1, 0) : field, 0, 1);
      else if (event.key === "Enter" || event.key === " ") open(field);
      else return;
      event.preventDefault();
      if (next) rove(next, true);
    });
    const open = (field, link = null) => {
      const [f, p] = place(field), told = lines(f, p, state);
      if (!told.length) return;
      const chosen = told[link ? [...field.children].indexOf(link) : 0];
      const all = chosen.pythons.length ? chosen.pythons : pythons.filter((python) => find(idOf(f, p, python)));
      go({ cell: idOf(f, p, state.python || all.at(-1)) });
    };
    table.addEventListener("click", (event) => {
      const field = event.target.closest("td");
      if (!field || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      rove(field);
      open(field, event.target.closest("a"));
    });

    // One cell -----------------------------------------------------------------------------------

    const own = (source, values) => {  // a copy with the cell's own versions, and no anchor twice
      const copy = source.cloneNode(true);
      copy.removeAttribute("id");
      copy.querySelectorAll("[id]").forEach((inner) => inner.removeAttribute("id"));
      copy.querySelectorAll('li > a[href^="#p"], li > a[href^="#h"]').forEach((link) => {
        link.closest("li").replaceWith(own($(link.hash.slice(1)), values));
      });
      copy.querySelectorAll("var").forEach((inner) => inner.replaceWith(values[inner.textContent] ?? inner.textContent));
      return copy;
    };
    const copying = (block) => {
      const button = make("button", { type: "button", class: "copy" }, "Copy these pins");
      button.addEventListener("click", async () => {
        try { await navigator.clipboard.writeText(block.textContent.trim()); button.textContent = "Copied"; }
        catch { getSelection().selectAllChildren(block); button.textContent = "Selected: copy it"; }
      });
      block.after(button);
      return button;
    };
    const good = (f, p, python) => {  // whether it may be had instead: it is known to be good, and handed out
      const found = find(idOf(f, p, python)), number = found?.group[1];
      return Boolean(found) && !tooNew(floors[found.group[2]]) && ["works", "likely"].includes(order[dossiers[number][0]])
        && Boolean($(`e${number}`).querySelector("pre"));
    };
    const instead = (id, f, p, python) => {  // what is good with one version changed, the newest first; `explain` ranks them
      const named = (i) => plugins[i][1] === "none" ? "no plugin" : plugins[i][0], bare = plugins[p][1] === "none";
      const axes = [
        [`With Python ${python} and ${named(p)}`, frameworks.map((version, i) => [i, p, python, `TensorFlow ${version}`])
          .filter(([i]) => final(frameworks[i]))],
        [`With Python ${python} and TensorFlow ${frameworks[f]}`, plugins.map((_, i) => [f, i, python, named(i)])
          .filter(([, i]) => (plugins[i][1] === "none") === bare)],
        [`With TensorFlow ${frameworks[f]} and ${named(p)}`, [...pythons].reverse().map((other) => [f, p, other, `Python ${other}`])],
      ].map(([same, all]) => [same, all.filter(([i, j, other]) => good(i, j, other)).slice(0, 3)]).filter(([, all]) => all.length);
      const best = [...document.querySelectorAll(`.best li[data-python="${python}"]`)].filter(({ dataset }) => !tooNew(dataset.macos))
        .map(({ dataset }) => find(dataset.cell)).sort((a, b) => final(frameworks[b.f]) - final(frameworks[a.f]))[0];
      if (best) axes.push([`The best set of Python ${python}`, [[best.f, best.p, python, `TensorFlow ${frameworks[best.f]}, ${named(best.p)}`]]]);
      return make("div", { class: "instead" }, make("h3", {}, "What to take instead"),
        make("ul", { class: "near" }, ...axes.map(([same, all]) => make("li", {}, `${same}: `,
          ...all.flatMap(([i, j, other, text], at) => [at ? " · " : "",
            make("a", { href: address({ ...state, cell: idOf(i, j, other) }) }, text + (final(frameworks[i]) ? "" : " (pre-release)"))])))),
        make("p", {}, ...(axes.length ? [] : ["Nothing is known to be good with one version changed. "]),
          make("code", {}, `nox -s explain -- ${id}`), " names the nearest in their order."));
    };
    const fill = ({ f, p, python, group }) => {
      const [, number, floor, close] = group, id = idOf(f, p, python);
      const values = { python, framework: frameworks[f], plugin: plugins[p][1] };
      const word = order[dossiers[number][0]], source = $(`e${number}`), text = own(source, values);
      text.querySelectorAll(".told").forEach((again) => again.remove());
      const label = source.closest("details").querySelector("summary").firstChild.textContent.split(";")[0].trim();
      const inner = [];
      const block = text.querySelector("pre");
      const told = text.querySelector('p > a[href^="#s"]');
      if (told) {
        const story = own($(told.hash.slice(1)), values), holder = make("div", {}, make("h3", {}, `A plain install: ${told.textContent}`), story);
        told.closest("p").remove();
        inner.push(holder);
      }
      if (block) {
        const before = block.previousElementSibling?.classList.contains("warning") ? [block.previousElementSibling] : [];
        const links = make("p", {}, make("a", { href: `pins/${id}.txt` }, "all pins, with hashes"), " · ", make("code", {}, `nox -s pins -- ${id}`));
        inner.unshift(make("div", {}, make("h3", {}, "Install it"), ...before, block, links));
        copying(block);
      }
      const others = pythons.map((other) => {
        const found = find(idOf(f, p, other));
        if (!found) return "";
        const button = make("button", { type: "button", class: order[dossiers[found.group[1]][0]][0], "aria-pressed": String(other === python),
          "aria-label": `Python ${other}: ${order[dossiers[found.group[1]][0]]}` }, other);
        button.addEventListener("click", () => { go({ cell: idOf(f, p, other) }); panel.querySelector('[aria-pressed="true"]').focus(); });
        return button;
      });
      const close_ = make("button", { type: "button", "aria-label": "Close" }, "Close");
      close_.addEventListener("click", () => go({ cell: "" }));
      const where = $(`m${floor}`);
      const registers = $(`k${kernels[plugins[p][0]]?.[python]}`);
      if (registers && block) {  // of a plugin that does not load none does
        inner.push(make("div", {}, make("h3", {}, "What runs on the GPU"), make("p", {}, ...own(registers, values).childNodes)));
      }
      if (near[close].length) {
        inner.push(make("div", {}, make("h3", {}, "Reported near it, which changes no verdict"),
          make("ul", { class: "near" }, ...near[close].map((n) => own($(`n${n}`), values)))));
      }
      panel.replaceChildren(
        make("div", { class: "top" }, make("h2", { id: "cell-h" }, `TensorFlow ${values.framework}, ${plugins[p][0]}`), close_),
        make("div", { class: "pythons", role: "group", "aria-label": "Python" }, ...others),
        make("p", { class: "verdict" }, make("b", { class: `v ${word}` }, label.slice(2)), ` on Python ${python}`),
        ...(where ? [make("p", {}, "Needs ", ...own(where, values).childNodes, ".")] : []),
        ...(["works", "likely"].includes(word) ? [] : [instead(id, f, p, python)]),
        make("h3", {}, word === "not-installable" ? "Why" : "How that is known"), text, ...inner,
        make("p", { class: "id" }, id, ...(word === "not-installable" ? [] : [" · ", make("a", { href: `cells/${id}.json` }, "as data")])));
    };
    const show = () => {
      state = read();
      names.forEach((name) => { form.elements[name].value = state[name]; });
      narrow();
      body.querySelector("td.open")?.classList.remove("open");
      const found = state.cell && find(state.cell);
      if (found) {
        fill(found);
        const field = body.rows[found.f].cells[found.p + 1];
        field.classList.add("open");
        if (!field.hidden && !field.parentElement.hidden) rove(field);
        if (!panel.open) panel.showModal();
        panel.scrollTop = 0;
      } else {
        if (panel.open) panel.close();
      }
      const elsewhere = state.cell && !found ? $(state.cell) : null;  // another route: a line below the table
      if (elsewhere) elsewhere.scrollIntoView({ block: "center" });
      $("told").textContent = state.cell && !found && !elsewhere ? `No combination here is called ${state.cell.slice(0, 80)}.` : tallied;
    };
    panel.addEventListener("cancel", (event) => { event.preventDefault(); go({ cell: "" }); });
    panel.addEventListener("click", (event) => { if (event.target === panel && event.clientX < panel.getBoundingClientRect().left) go({ cell: "" }); });
    form.addEventListener("change", (event) => go({ [event.target.name]: event.target.value }));
    form.addEventListener("reset", (event) => { event.preventDefault(); go(Object.fromEntries(names.map((name) => [name, ""]))); });
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", show);
    addEventListener("popstate", show);
    document.querySelectorAll(".best pre").forEach(copying);

    table.setAttribute("role", "grid");
    body.querySelectorAll("td").forEach((field) => { field.tabIndex = -1; });
    body.querySelectorAll("td a").forEach((link) => { link.tabIndex = -1; });
    document.querySelectorAll("#mac, .js").forEach((hidden) => { hidden.hidden = false; });
    show();
  });
})();
