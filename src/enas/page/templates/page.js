"use strict";
(() => {
  const numeric = (text) => {
    const plain = text.replaceAll("−", "-").replaceAll(",", "");
    return /^-?[\d.]/.test(plain) ? parseFloat(plain) : NaN;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
    const [x, y] = [numeric(a), numeric(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };

  // Buttons in the heads of a table; sort(column, direction) does the rest. Numbers begin with the largest.
  const addButtons = (table, sort, sorted) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      if (column === sorted) head.setAttribute("aria-sort", "ascending");
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = head.classList.contains("n") && column > 0 ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const now = before === first ? other : first;
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", now);
        sort(column, now === "ascending" ? 1 : -1);
      });
    });
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    addButtons(table, (column, direction) => {
      const text = (row) => row.cells[column].textContent.trim();
      const by = (a, b) => (text(a) === "" || text(b) === "" ? 1 : direction) * compare(text(a), text(b));
      body.append(...[...body.rows].sort(by));
    });
  }

  const FEW = 20;
  const ranking = document.getElementById("ranking");
  if (!ranking) return;
  const { names, values, decimals } = JSON.parse(document.getElementById("features").textContent);
  const table = ranking.querySelector("table"), body = table.tBodies[0];
  const search = document.getElementById("search"), matches = document.getElementById("matches");
  const more = document.getElementById("more"), folded = names.map((name) => name.toLowerCase());
  const largest = values[0][0] || 1;
  let order = names.map((_, i) => i), found = order, nShown = FEW;

  const cell = (kind, text, number) => {
    const element = document.createElement(kind);
    if (number) element.className = "n";
    element.append(text);
    return element;
  };
  const makeRow = (i) => {
    const row = document.createElement("tr"), name = document.createElement("bdi"), bar = document.createElement("span");
    name.textContent = names[i];
    bar.className = "bar";
    bar.style.setProperty("--width", `${(100 * values[0][i]) / largest}%`);
    const head = cell("th", name);
    head.scope = "row";
    head.className = "name";
    const numbers = values.map((column) => cell("td", column[i].toFixed(decimals), true));
    numbers[0].prepend(bar);
    row.append(cell("td", String(i + 1), true), head, ...numbers);
    return row;
  };
  const show = () => {
    const words = search.value.trim().toLowerCase();
    found = words ? order.filter((i) => folded[i].includes(words)) : order;
    body.replaceChildren(...found.slice(0, nShown).map(makeRow));
    matches.textContent = words ? `${found.length.toLocaleString("en")} found` : "";
    more.parentElement.hidden = found.length <= nShown;
  };
  addButtons(table, (column, direction) => {
    const by = column === 0 ? (a, b) => a - b
      : column === 1 ? (a, b) => folded[a].localeCompare(folded[b], undefined, { numeric: true })
      : (a, b) => values[column - 2][a] - values[column - 2][b];
    order = names.map((_, i) => i).sort((a, b) => direction * by(a, b) || a - b);
    nShown = FEW;
    show();
  }, 0);
  search.addEventListener("input", () => { nShown = FEW; show(); });
  more.addEventListener("click", () => { nShown += 100; show(); });
  search.parentElement.hidden = false;
  more.parentElement.hidden = names.length <= nShown;
})();
