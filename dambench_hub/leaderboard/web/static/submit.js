// Looks at a prediction file before it is sent, and sends it with a bar that moves. What comes back
// is the file's ticket, which goes into the form. All text gets onto the page as text.
(() => {
  "use strict";

  const HDF5 = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
  const FOREIGN = [
    ["CDF", "NetCDF-3 (classic). Write it with format='NETCDF4'."],
    ["PK\u0003\u0004", "a zip archive (npz, zarr, torch). Write it with write_predictions."],
    ["\u0093NUMPY", "a numpy file. Write it with write_predictions."],
    ["\u0080", "a pickle, which is never opened. Write it with write_predictions."],
    ["GRIB", "GRIB. Write it with write_predictions."],
    ["\u001f\u008b", "a gzip archive. Unpack it first."],
    ["PAR1", "Parquet. Write it with write_predictions."],
  ];

  let request = null;

  const drop = () => document.querySelector("[data-drop]");
  const part = (name) => drop().querySelector(`[data-${name}]`);
  function size(bytes) {
    const [unit, factor] = bytes >= 1e9 ? ["GB", 1e9] : bytes >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
    return `${(bytes / factor).toPrecision(3)} ${unit}`;
  }

  async function problems(file) {
    const found = [];
    const suffix = (file.name.match(/\.[^.]*$/) || [""])[0].toLowerCase();
    const known = drop().dataset.suffixes.split(" ");
    if (!known.includes(suffix))
      found.push(`The name ends in “${suffix || "nothing"}”, wanted ${known.join(", ")}.`);
    const most = Number(drop().dataset.most);
    if (file.size > most) found.push(`It has ${size(file.size)}, at most ${size(most)} can be right.`);
    if (file.size === 0) return [...found, "It is empty."];
    const head = new Uint8Array(await file.slice(0, 16).arrayBuffer());
    const text = String.fromCharCode(...head);
    const foreign = FOREIGN.find(([start]) => text.startsWith(start));
    const isHdf5 = HDF5.every((byte, index) => head[index] === byte);
    const isSafetensors = text[8] === "{" && head[6] === 0 && head[7] === 0;
    if (foreign && !isSafetensors) found.push(`It is ${foreign[1]}`);
    else if (suffix === ".safetensors" ? !isSafetensors : known.includes(suffix) && !isHdf5)
      found.push(`It does not begin as a ${suffix} file does. Was it cut off or renamed?`);
    return found;
  }

  function say(lines, tone = "") {
    const list = part("hints");
    list.className = tone;
    list.replaceChildren(
      ...lines.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
  }

  const setTicket = (ticket) => dambench.type("ticket", ticket);

  function reason(answer) {
    try {
      return JSON.parse(answer.responseText).error || "The server refused the file.";
    } catch {
      return "The server refused the file.";
    }
  }

  function send(file) {
    const bar = part("bar");
    const form = new FormData();
    form.append("files", file, file.name);
    request = new XMLHttpRequest();
    request.open("POST", "./gradio_api/upload");
    request.upload.onprogress = ({ loaded, total }) => {
      bar.value = loaded / total;
      say([`Sending ${file.name}: ${size(loaded)} of ${size(total)}`]);
    };
    request.onloadend = ({ target }) => {
      if (target !== request) return; // another file was chosen meanwhile
      request = null;
      bar.hidden = true;
      drop().dataset.drop = target.status === 200 ? "here" : "";
      if (target.status === 200) {
        setTicket(JSON.parse(target.responseText)[0]);
        say([`${file.name} is here (${size(file.size)}). Hand it in below.`], "fine");
      } else say([target.status ? reason(target) : "The connection broke. Choose the file again."], "bad");
    };
    bar.value = 0;
    bar.hidden = false;
    request.send(form);
  }

  async function take(file) {
    const former = request;
    request = null;
    former?.abort();
    setTicket("");
    drop().dataset.drop = "";
    part("name").textContent = file.name;
    const found = await problems(file);
    if (found.length) say([`${file.name} is not sent:`, ...found], "bad");
    else send(file);
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-decide]");
    if (!button) return;
    const why = button.closest("details")?.querySelector("input")?.value || "";
    dambench.type("decision", `${button.dataset.decide} ${why}`.trim());
  });

  const zone = (event) => event.target.closest?.("[data-drop]");

  document.addEventListener("change", ({ target }) => {
    if (target.matches?.("[data-drop] input[type=file]") && target.files.length) {
      take(target.files[0]);
      target.value = ""; // the same file can be chosen again once it is mended
    }
  });
  for (const type of ["dragover", "dragleave", "drop"])
    document.addEventListener(type, (event) => {
      const where = zone(event);
      if (!where || where.querySelector("input").disabled) return;
      event.preventDefault();
      where.classList.toggle("over", type === "dragover");
      if (type === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
})();
