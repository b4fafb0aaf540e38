/** Writes a line of the result to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Lines that are drawn over: the line is removed before other output, and comes back with the next drawing. */
let eraseLine: (() => void) | undefined;

/** Registers what removes the line that is drawn over; undefined if there is none. */
export function setLineEraser(erase: (() => void) | undefined): void {
  eraseLine = erase;
}

/** Writes a line for the operator to standard error. */
export function writeError(line: string): void {
  eraseLine?.();
  process.stderr.write(`${line}\n`);
}
