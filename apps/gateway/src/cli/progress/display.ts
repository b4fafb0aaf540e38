import { setLineEraser, writeError } from "../terminal/output.ts";
import { isInteractive } from "../terminal/paint.ts";

/** Shows what a command does: a line that is drawn over on a terminal, else lines from time to time. */
export interface Display {
  /** Shows the current state. `render` returns the line for a width; 0 has no limit. */
  show(render: (columns: number) => string): void;
  /** Removes the line that is drawn over. */
  end(): void;
}

/** Milliseconds between two drawings on a terminal. */
const drawMs = 100;
const redrawMs = 1_000;
/** Milliseconds between two plain lines, which is also the longest silence. */
const plainMs = 5_000;

/** Creates the display of a command. `isQuiet`: shows nothing, because the output is for a program. */
export function createDisplay({ isQuiet = false }: { isQuiet?: boolean } = {}): Display {
  if (isQuiet) return { show() {}, end() {} };
  return isInteractive(process.stderr) ? createTerminalDisplay() : createPlainDisplay();
}

function createTerminalDisplay(): Display {
  const { stderr } = process;
  let render: ((columns: number) => string) | undefined;
  let drawnAt = 0;
  /** Length of the drawn line. */
  let drawn = 0;
  let due: NodeJS.Timeout | undefined;

  const erase = () => {
    // Blanks instead of an escape sequence, which not every terminal understands.
    if (drawn > 0) stderr.write(`\r${" ".repeat(drawn)}\r`);
    drawn = 0;
  };
  const draw = () => {
    due = undefined;
    if (!render) return;
    drawnAt = Date.now();
    const line = render(stderr.columns);
    stderr.write(`\r${line.padEnd(drawn)}`);
    drawn = line.length;
  };
  const redraw = setInterval(draw, redrawMs);
  redraw.unref();
  setLineEraser(erase);

  return {
    show(next) {
      render = next;
      due ??= setTimeout(draw, Math.max(0, drawnAt + drawMs - Date.now()));
    },
    end() {
      clearInterval(redraw);
      clearTimeout(due);
      erase();
      setLineEraser(undefined);
    },
  };
}

function createPlainDisplay(): Display {
  let render: ((columns: number) => string) | undefined;
  // By a timer, because a batch that waits changes nothing.
  const timer = setInterval(() => {
    if (render) writeError(render(0));
  }, plainMs);
  return {
    show(next) {
      render = next;
    },
    end() {
      clearInterval(timer);
    },
  };
}
