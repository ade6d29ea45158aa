// Tables are sorted by a click on a header: by number where a cell begins with one, cells without one last.
"use strict";
const number = (cell) => {
  const found = cell.textContent.replace(/[,†*]/g, "").match(/^\s*<?\s*([+-]?\d+\.?\d*(?:e[+-]?\d+)?)/);
  return found ? Number(found[1]) : NaN;
};
const compare = (one, other, down) => {
  const [a, b] = [number(one), number(other)];
  if (isNaN(a) && isNaN(b)) return down * one.textContent.localeCompare(other.textContent);
  if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);
  return down * (a - b);
};
const sort = (header) => {
  const column = header.cellIndex;
  const down = header.ariaSort === "ascending" ? -1 : 1;
  for (const each of header.parentElement.cells) each.removeAttribute("aria-sort");
  header.ariaSort = down === 1 ? "ascending" : "descending";
  const body = header.closest("table").tBodies[0];
  const rows = [...body.rows].sort((one, other) => compare(one.cells[column], other.cells[column], down));
  body.append(...rows);
};
for (const header of document.querySelectorAll("th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.title = "sort";
  button.append(...(header.childNodes.length ? header.childNodes : ["row"]));
  button.addEventListener("click", () => sort(header));
  header.append(button);
}
