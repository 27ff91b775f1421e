// The address of a page says what was chosen on it, so that a link shows it again, and Back and
// Forward lead through the choices. Groups of choices are marked by data-choice, the name in the
// address. What the server shows follows the address, which is told to it in the box #address.
const dambench = (() => {
  "use strict";

  let told = ""; // the address as the server was told it last; empty before the first time
  let latest = ""; // the group that was used last

  const query = () => new URLSearchParams(location.search);

  // Changes parts of the address, as a new step of the history if `step` is true.
  function write(changes, step = false) {
    const next = query();
    for (const [name, value] of Object.entries(changes))
      if (value) next.set(name, value);
      else next.delete(name);
    if (next.toString() === query().toString()) return false;
    const text = next.toString().replaceAll("%2C", ",");
    const address = location.pathname + (text ? `?${text}` : "") + location.hash;
    history[step ? "pushState" : "replaceState"](null, "", address);
    return true;
  }

  // Puts text into a box of Gradio's, as if somebody had typed it.
  function type(id, text) {
    const box = document.querySelector(`#${id} textarea, #${id} input`);
    const prototype = box instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(prototype.prototype, "value").set.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function tell() {
    told = location.search || "?";
    if (document.getElementById("address")) type("address", told);
  }

  const groups = () => [...document.querySelectorAll("[data-choice]")];
  const boxes = (group) =>
    group.matches("select") ? [...group.options] : [...group.querySelectorAll("input")];
  const listed = (name) => (query().get(name) || "").split(",").filter(Boolean);

  // What the address says of a group, as far as there is such a choice; else what comes first.
  function chosen(group) {
    const { choice, least } = group.dataset;
    const known = boxes(group).map((box) => box.value);
    const wanted = (least ? listed(choice) : [query().get(choice)]).filter((v) => known.includes(v));
    for (const value of known)
      if (wanted.length < (least || 1) && !wanted.includes(value)) wanted.push(value);
    return wanted;
  }

  function show(group) {
    const values = chosen(group);
    for (const box of boxes(group))
      box[box.matches("option") ? "selected" : "checked"] = values.includes(box.value);
    return values;
  }

  document.addEventListener("change", ({ target }) => {
    const group = target.closest?.("[data-choice]");
    if (!group) return;
    const { choice, most, resets } = group.dataset;
    let values = [target.value];
    if (most) {
      const others = chosen(group).filter((value) => value !== target.value);
      values = target.checked ? [...others.slice(1 - most), target.value] : others;
    }
    latest = choice;
    write({ [choice]: values.join(","), ...Object.fromEntries((resets || "").split(" ").filter(Boolean).map((name) => [name, ""])) }, true);
    if (most) write({ [choice]: show(group).join(",") });
    tell();
  });

  addEventListener("popstate", () => {
    groups().forEach(show);
    tell();
  });

  // Gradio puts new content into the page at any time.
  new MutationObserver(() => {
    for (const group of groups().filter((one) => !("ready" in one.dataset))) {
      group.dataset.ready = "";
      write({ [group.dataset.choice]: show(group).join(",") });
      if (group.dataset.choice === latest && document.activeElement === document.body)
        (group.matches("select") ? group : group.querySelector("input:checked"))?.focus();
    }
    // The server may know better than the address: the task of a file, or of two submissions.
    for (const element of document.querySelectorAll("[data-remember]:not([data-ready])")) {
      element.dataset.ready = "";
      if (element.dataset.before && told) continue; // somebody chose something meanwhile
      if (write(Object.fromEntries(new URLSearchParams(element.dataset.remember)))) {
        groups().forEach(show);
        tell();
      }
    }
    const heading = document.querySelector("h1");
    const title = heading ? `${heading.dataset.title || heading.textContent.trim()} · DAMBench` : "";
    if (title && document.title !== title) document.title = title;
  }).observe(document, { childList: true, subtree: true });

  return { query, write, type };
})();
