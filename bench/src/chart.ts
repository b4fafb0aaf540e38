import { holds, type Line } from "./report.ts";

const [width, left, rowHeight, barHeight] = [880, 470, 26, 14];
/** The room for the figure after the longest bar. */
const labelWidth = 100;
/** The figure at the right end, as a multiple of the target. */
const most = 4;

const escapeXml = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

/**
 * Draws how each line with a target compares with it, as an SVG of bars. A bar that reaches the mark meets its target. The scale is
 * logarithmic, because some lines are a hundred times better than their target.
 */
export function drawChart(lines: readonly Line[]): string {
  const judged = lines.filter(({ wanted }) => wanted);
  const height = 30 + judged.length * rowHeight;
  const span = width - left - labelWidth;
  /** Returns the place of a multiple of the target, from an eighth to `most` times. */
  const toX = (multiple: number) => {
    const bounded = Math.min(most, Math.max(1 / 8, multiple));
    return left + (span * (Math.log2(bounded) + 3)) / (Math.log2(most) + 3);
  };
  const rows = judged.map((line, index) => {
    const { wanted, figure, unit = "" } = line;
    if (!wanted) return "";
    const multiple = "atLeast" in wanted ? figure / wanted.atLeast : wanted.atMost / Math.max(figure, 1e-9);
    const y = 24 + index * rowHeight;
    const name = `${line.work}, ${line.database}`;
    const short = name.length > 66 ? `${name.slice(0, 65)}…` : name;
    const end = toX(multiple);
    return `<text x="${left - 10}" y="${y + 12}" text-anchor="end">${escapeXml(short)}</text>
<rect class="${holds(line) ? "holds" : "missed"}" x="${left}" y="${y}" width="${Math.round(end - left)}" height="${barHeight}" rx="2"/>
<text x="${Math.round(end) + 6}" y="${y + 12}">${figure >= 20 ? Math.round(figure) : figure.toFixed(2)}${escapeXml(unit)}</text>`;
  });
  const target = Math.round(toX(1));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Benchmarks compared with their targets">
<style>
text { font: 12px system-ui, sans-serif; fill: #333 }
.holds { fill: #2f855a } .missed { fill: #c05621 } .target { stroke: #555; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .target { stroke: #aaa } }
</style>
<text x="${target}" y="12" text-anchor="middle">target</text>
<line class="target" x1="${target}" x2="${target}" y1="16" y2="${height}"/>
${rows.join("\n")}
</svg>
`;
}
