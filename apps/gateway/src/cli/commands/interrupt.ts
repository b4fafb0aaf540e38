import { exitStatus } from "../terminal/exit-statuses.ts";
import { writeError } from "../terminal/output.ts";

/** The wish of the operator to end the command. */
export interface Interrupt {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal;
  /** Sets what to print if a second signal ends the process at once. */
  setNotice(notice: string): void;
}

/** Catches the signals of this process. The second one ends it at once. */
export function catchInterrupt(): Interrupt {
  const controller = new AbortController();
  let notice = "";
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!controller.signal.aborted) return controller.abort();
      if (notice !== "") writeError(notice);
      process.exit(exitStatus.interrupted);
    });
  }
  return {
    signal: controller.signal,
    setNotice(text) {
      notice = text;
    },
  };
}
