import { styleText } from "node:util";

const styles = { error: ["red", "bold"], good: "green", warn: "yellow", dim: "dim", strong: "bold" } as const;

/** Reports whether a person watches the stream. CI systems may offer a terminal that no person watches. */
export function isInteractive(stream: NodeJS.WriteStream): boolean {
  const { CI, TERM } = process.env;
  return stream.isTTY === true && TERM !== "dumb" && (CI === undefined || CI === "" || CI === "false");
}

const hasColor = (stream: NodeJS.WriteStream) => isInteractive(stream) && !process.env.NO_COLOR;

/** Returns the text in a style, if the stream shows colours. Default: standard error. */
export function paint(style: keyof typeof styles, text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return hasColor(stream) ? styleText(styles[style] as "red", text, { validateStream: false }) : text;
}
