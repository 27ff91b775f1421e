// What the ranking does without the server: search, filter, sort, choose columns, pick some to
// compare, copy, save as CSV. The state of the view stands in the address, so a link shows it again.
(() => {
  "use strict";

  const MOST = 4; // that are compared at once
  const address = dambench.query;
  const step = (name, value) => dambench.write({ [name]: value }, true);

  const board = () => document.querySelector("[data-board]");
  const rows = () => [...board().querySelectorAll("tbody tr")];
  const headings = () => [...board().querySelectorAll("thead th")];
  const hiddenKinds = () => (address().get("without") || "").split(",").filter(Boolean);
  const hiddenColumns = () => (address().get("columns_off") || "").split(",").filter(Boolean);

  function value(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  }

  // Missing values come last in both directions.
  function compareBy(column, sign) {
    return (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    };
  }

  function sort() {
    const [name, direction] = (address().get("sort") || "rank").split("-");
    const all = headings();
    const column = Math.max(all.findIndex((th) => th.dataset.column === name), 0);
    all.forEach((th) => th.removeAttribute("aria-sort"));
    const down = direction === "down";
    if (all[column].dataset.column === name)
      all[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    // Lines that join neighbours mean nothing in another order.
    board().toggleAttribute("data-reordered", down || all[column].dataset.column !== "rank");
    const body = board().querySelector("tbody");
    body.append(...rows().sort(compareBy(column, down ? -1 : 1)));
  }

  function filter() {
    const text = (address().get("find") || "").toLowerCase();
    const name = (row) => row.querySelector(".method a").textContent.toLowerCase();
    const without = hiddenKinds();
    const size = (address().get("size") || "").split("-").map(Number);
    const mine = address().get("mine");
    let shown = 0;
    for (const row of rows()) {
      const parameters = Number(row.dataset.parameters);
      row.hidden =
        !name(row).includes(text) ||
        without.includes(row.dataset.kind) ||
        (mine && !("mine" in row.dataset)) ||
        (size.length === 2 && !(parameters >= size[0] && parameters < size[1]));
      shown += !row.hidden;
    }
    const total = rows().length;
    board().querySelector("[data-shown]").textContent = `${shown} of ${total} shown`;
    board().querySelector("[data-show-all]").hidden = shown === total;
    board().querySelector("[data-none]").hidden = shown > 0;
  }

  function chooseColumns() {
    const off = hiddenColumns();
    const rules = headings().flatMap((th, index) =>
      off.includes(th.dataset.column)
        ? [`[data-board] :is(th, td):nth-child(${index + 1}) { display: none; }`]
        : [],
    );
    let style = document.getElementById("columns-off");
    if (!style) {
      style = document.createElement("style");
      style.id = "columns-off";
      document.head.append(style);
    }
    style.textContent = rules.join("\n");
  }

  function picked() {
    return [...board().querySelectorAll("td.pick input:checked")];
  }

  function offerComparison() {
    const tray = board().querySelector(".tray");
    const names = picked().map((box) => box.dataset.name);
    tray.hidden = names.length === 0;
    const [said, link] = [tray.querySelector("span"), tray.querySelector("a")];
    said.textContent = names.length > 1 ? names.join("  ·  ") : `${names[0]}: choose a second`;
    link.hidden = names.length < 2;
    link.href = tray.dataset.href + picked().map((box) => box.value).join(",");
  }

  // The table as it is shown, for spreadsheets: text that would begin a formula gets a mark.
  function csv() {
    const quoted = (text) => {
      const plain = text.trim().replace(/\s+/g, " ").replaceAll("−", "-");
      const formula = /^[=+@\t-]/.test(plain.normalize("NFKC")) && Number.isNaN(Number(plain));
      return `"${(formula ? "'" : "") + plain.replaceAll('"', '""')}"`;
    };
    const text = (cell) =>
      cell.matches("thead th")
        ? [cell.querySelector("button")?.firstChild.data, cell.querySelector("small")?.textContent]
            .filter(Boolean).map((part) => part.trim()).join(", ")
        : (cell.querySelector("a") || cell).textContent;
    const shown = (row) =>
      [...row.cells].filter((cell) => !cell.matches(".pick") && cell.getClientRects().length);
    const lines = [board().querySelector("thead tr"), ...rows().filter((row) => !row.hidden)];
    return lines.map((row) => shown(row).map(text).map(quoted).join(",")).join("\n") + "\n";
  }

  function save(text, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // Puts what the address says into the controls, and then does it.
  function show() {
    const query = address();
    const root = board();
    root.querySelector("[data-find]").value = query.get("find") || "";
    for (const chip of root.querySelectorAll("[data-kind-chip]"))
      chip.ariaPressed = String(!hiddenKinds().includes(chip.dataset.kindChip));
    const mine = root.querySelector("[data-mine-chip]");
    if (mine) mine.ariaPressed = String(Boolean(query.get("mine")));
    const size = root.querySelector("[data-size]");
    if (size) size.value = query.get("size") || "";
    for (const box of root.querySelectorAll("[data-column-box]"))
      box.checked = !hiddenColumns().includes(box.dataset.columnBox);
    sort();
    filter();
    chooseColumns();
    offerComparison();
  }

  function toggled(list, name) {
    return (list.includes(name) ? list.filter((n) => n !== name) : [...list, name]).join(",");
  }

  function clicked(target) {
    const heading = target.closest("[data-board] th button")?.closest("th");
    if (heading) {
      const first = heading.dataset.first; // "up" or "down": what shows the best at the top
      const now = heading.ariaSort && (heading.ariaSort === "descending" ? "down" : "up");
      const next = now ? (now === "down" ? "up" : "down") : first;
      step("sort", `${heading.dataset.column}-${next}`);
      return sort();
    }
    const chip = target.closest("[data-kind-chip]");
    if (chip) {
      step("without", toggled(hiddenKinds(), chip.dataset.kindChip));
      return show();
    }
    if (target.closest("[data-mine-chip]")) {
      step("mine", address().get("mine") ? "" : "1");
      return show();
    }
    if (target.closest("[data-show-all]")) {
      dambench.write({ find: "", without: "", mine: "", size: "" }, true);
      return show();
    }
    if (target.closest("[data-csv]")) return save(csv(), board().dataset.file);
    if (target.closest("[data-unpick]")) {
      picked().forEach((box) => (box.checked = false));
      return offerComparison();
    }
  }

  async function copy(button) {
    const words = button.textContent;
    const source = button.dataset.copy && document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source ? source.textContent : location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy it yourself";
    }
    setTimeout(() => (button.textContent = words), 1800);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(button);
    for (const menu of document.querySelectorAll(".menu[open]"))
      if (!menu.contains(event.target)) menu.open = false;
    if (board()) clicked(event.target);
  });

  document.addEventListener("input", ({ target }) => {
    if (!board()?.contains(target)) return;
    if (target.matches("[data-find]")) dambench.write({ find: target.value.trim() });
    else if (target.matches("[data-size]")) step("size", target.value);
    else if (target.matches("[data-column-box]")) {
      step("columns_off", toggled(hiddenColumns(), target.dataset.columnBox));
      return chooseColumns();
    } else if (target.closest("td.pick")) {
      picked().slice(0, -MOST).forEach((box) => (box.checked = false));
      return offerComparison();
    } else return;
    filter();
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.(".menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  addEventListener("popstate", () => board() && show());

  // Gradio puts a new table into the page whenever the address asks for another.
  new MutationObserver(() => {
    const root = board();
    if (root && !("started" in root.dataset)) {
      root.dataset.started = "";
      show();
    }
  }).observe(document, { childList: true, subtree: true });
})();
