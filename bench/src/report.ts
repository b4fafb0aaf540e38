/** One line of the table: a measured work, its comparison from the same run, and its target. */
export interface Line {
  work: string;
  database: string;
  ours: string;
  /** The alternative or the size that the work is compared with; empty for an absolute target. */
  compared: string;
  /** The figure that the target applies to. */
  figure: number;
  /** The unit after the figure; none for a ratio. */
  unit?: string;
  /** The target. A line without one is reported without a verdict. */
  wanted?: { atLeast: number } | { atMost: number };
}

/** Returns whether a line meets its target. */
export function holds({ figure, wanted }: Line): boolean {
  if (!wanted) return true;
  return "atLeast" in wanted ? figure >= wanted.atLeast : figure <= wanted.atMost;
}

const head = ["work", "database", "ours", "compared with", "ratio", "target", "verdict"];

/** Formats the lines as a Markdown table. */
export function table(lines: readonly Line[]): string {
  const cells = lines.map((line) => {
    const { work, database, ours, compared, figure, unit = "", wanted } = line;
    const verdict = wanted && [
      ("atLeast" in wanted ? `≥ ${wanted.atLeast}` : `≤ ${wanted.atMost}`) + unit,
      holds(line) ? "holds" : "MISSED",
    ];
    return [work, database, ours, compared, formatFigure(figure) + unit, ...(verdict ?? ["", ""])];
  });
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const formatRow = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [formatRow(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...cells.map(formatRow)].join(
    "\n",
  );
}

/** Formats a rate: `24.1k ids/s`. */
export function rate(perSecond: number, of: string): string {
  return `${perSecond >= 10_000 ? `${(perSecond / 1000).toFixed(1)}k` : Math.round(perSecond)} ${of}/s`;
}

/** Returns the median of at least one value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

const formatFigure = (figure: number) => (figure >= 20 ? String(Math.round(figure)) : figure.toFixed(2));

/** Formats a count as `1M` or `100k`. */
export const thousands = (count: number) =>
  count >= 950_000 ? `${Math.round(count / 1_000_000)}M` : `${Math.round(count / 1000)}k`;
