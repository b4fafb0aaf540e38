/** One line of the table: a piece of work, what it was held against in the same run, and whether it is good enough. */
export interface Line {
  work: string;
  database: string;
  ours: string;
  /** What a user would do instead, or the size that is compared; empty where the wish is absolute. */
  compared: string;
  /** The figure that the wish is about. */
  figure: number;
  /** What follows the figure: nothing for a ratio, otherwise a unit. */
  unit?: string;
  /** A line without it is told, not judged. */
  wanted?: { atLeast: number } | { atMost: number };
}

export function holds({ figure, wanted }: Line): boolean {
  if (!wanted) return true;
  return "atLeast" in wanted ? figure >= wanted.atLeast : figure <= wanted.atMost;
}

const head = ["work", "database", "ours", "compared with", "ratio", "wanted", "verdict"];

/** The lines as one table in plain text, which is Markdown too. */
export function table(lines: readonly Line[]): string {
  const cells = lines.map((line) => {
    const { work, database, ours, compared, figure, unit = "", wanted } = line;
    const judged = wanted && [
      ("atLeast" in wanted ? `≥ ${wanted.atLeast}` : `≤ ${wanted.atMost}`) + unit,
      holds(line) ? "holds" : "MISSED",
    ];
    return [work, database, ours, compared, shown(figure) + unit, ...(judged ?? ["", ""])];
  });
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const drawn = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [drawn(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...cells.map(drawn)].join("\n");
}

/** A rate as a person reads it: `24.1k ids/s`. */
export function rate(perSecond: number, of: string): string {
  return `${perSecond >= 10_000 ? `${(perSecond / 1000).toFixed(1)}k` : Math.round(perSecond)} ${of}/s`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

const shown = (figure: number) => (figure >= 20 ? String(Math.round(figure)) : figure.toFixed(2));

/** `1M`, `100k` */
export const thousands = (count: number) =>
  count >= 950_000 ? `${Math.round(count / 1_000_000)}M` : `${Math.round(count / 1000)}k`;
