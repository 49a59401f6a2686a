"use strict";
(() => {
  /* Whatever has data-tip says it where the pointer is, or under the finger. */
  const tip = document.getElementById("tip");
  let lit = null;
  const show = (event) => {
    const target = event.target.closest("[data-tip]");
    if (lit !== target) {
      if (lit) lit.classList.remove("lit");
      if (target) target.classList.add("lit");
      lit = target;
    }
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = target.dataset.tip;
    const x = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18;
    const y = below + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 12 : below;
    tip.style.transform = `translate(${Math.max(8, x)}px, ${Math.max(8, y)}px)`;
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);

  /* Tables sort by the column whose heading is pressed: numbers largest first, words alphabetically; again turns it round. */
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? b - a : String(a).localeCompare(String(b)));
  for (const button of document.querySelectorAll("table.sortable th button")) {
    button.addEventListener("click", () => {
      const heading = button.parentElement;
      const body = heading.closest("table").tBodies[0];
      const first = body.rows[0] && typeof key(body.rows[0], heading.cellIndex) === "number" ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      const turn = order === first ? 1 : -1;
      const rows = [...body.rows].sort((a, b) => turn * compare(key(a, heading.cellIndex), key(b, heading.cellIndex)));
      body.append(...rows);
    });
  }
})();
