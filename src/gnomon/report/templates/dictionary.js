"use strict";
// The table of latents, a hundred rows at a time. A row: number, rate, rate with its interval, mean activation, effect
// on the loss, tokens it fires at, tokens it promotes, nearest concept, cosine with it.
(() => {
  const { block, rows } = JSON.parse(document.getElementById("table").textContent);
  const PAGE = 100;
  const shown = (value) => (value === null ? "–" : String(value).replace("-", "−"));
  const columns = [
    { title: "Latent", at: 0, number: true, text: (r) => String(r[0]) },
    { title: "Fires on", at: 1, number: true, text: (r) => r[2] },
    { title: "Mean", at: 3, number: true, text: (r) => shown(r[3]) },
    { title: "Loss without", at: 4, number: true, text: (r) => shown(r[4]) },
    { title: "Fires at", at: 5, text: (r) => r[5], style: "tokens" },
    { title: "Raises", at: 6, text: (r) => r[6], style: "tokens" },
    { title: "Nearest concept", at: 8, number: true, text: (r) => (r[7] ? `${r[7]} ${shown(r[8])}` : "") },
  ].filter((c) => rows.some((r) => r[c.at] !== null && r[c.at] !== ""));
  const live = document.getElementById("live");
  const search = document.getElementById("search");
  const living = document.getElementById("living");
  const head = live.querySelector("thead tr");
  const body = live.querySelector("tbody");
  let sorted = { column: columns[0], falling: false };
  let page = 0;

  function found() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = rows.filter(
      (r) =>
        (!living.checked || r[1] > 0) &&
        words.every((w) => (/^\d+$/.test(w) ? r[0] === Number(w) : `${r[5]} ${r[6]} ${r[7]}`.toLowerCase().includes(w))),
    );
    const { column, falling } = sorted;
    const order = falling ? -1 : 1;
    return chosen.sort((a, b) => {
      const [x, y] = [a[column.at], b[column.at]];
      if (x === y) return a[0] - b[0];
      if (x === null || x === "") return 1;
      if (y === null || y === "") return -1;
      return order * (column.number ? x - y : x.localeCompare(y));
    });
  }

  function draw() {
    const all = found();
    const pages = Math.max(1, Math.ceil(all.length / PAGE));
    page = Math.min(page, pages - 1);
    body.replaceChildren(
      ...all.slice(page * PAGE, (page + 1) * PAGE).map((r) => {
        const row = document.createElement("tr");
        columns.forEach((column, i) => {
          const cell = document.createElement(i ? "td" : "th");
          cell.className = [column.number && i ? "n" : "", column.style || ""].join(" ").trim();
          if (i) cell.textContent = column.text(r);
          else {
            const link = document.createElement("a");
            link.href = `latents/${Math.floor(r[0] / block)}.html#latent-${r[0]}`;
            link.textContent = column.text(r);
            cell.scope = "row";
            cell.append(link);
          }
          row.append(cell);
        });
        return row;
      }),
    );
    document.getElementById("where").textContent = all.length
      ? `${page * PAGE + 1} to ${Math.min((page + 1) * PAGE, all.length)} of ${all.length}`
      : "none";
    document.getElementById("back").disabled = page === 0;
    document.getElementById("on").disabled = page >= pages - 1;
    for (const [i, cell] of [...head.children].entries()) {
      const here = columns[i] === sorted.column;
      cell.ariaSort = here ? (sorted.falling ? "descending" : "ascending") : "none";
    }
  }

  for (const column of columns) {
    const cell = document.createElement("th");
    const button = document.createElement("button");
    cell.scope = "col";
    if (column.number && column !== columns[0]) cell.className = "n";
    button.type = "button";
    button.textContent = column.title;
    button.addEventListener("click", () => {
      sorted = { column, falling: sorted.column === column ? !sorted.falling : column.number && column !== columns[0] };
      page = 0;
      draw();
    });
    cell.append(button);
    head.append(cell);
  }
  const again = () => { page = 0; draw(); };
  search.addEventListener("input", again);
  living.addEventListener("change", again);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("back").addEventListener("click", () => { page -= 1; draw(); });
  document.getElementById("on").addEventListener("click", () => { page += 1; draw(); });
  live.hidden = false;
  document.getElementById("plain").hidden = true;
  draw();
})();
