/** Renders rows as aligned columns. Columns whose cells below the head are all numbers are aligned to the right. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = head.length > 0 ? [head, ...rows] : rows;
  const columns = Math.max(0, ...table.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...table.map((row) => (row[at] ?? "").length)));
  const isNumeric = widths.map((_, at) => rows.every((row) => /^[\d,.%-]*$/.test(row[at] ?? "")));
  return table
    .map((row) =>
      row
        .map((cell, at) => (isNumeric[at] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Renders names with their values, aligned. */
export function renderPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
