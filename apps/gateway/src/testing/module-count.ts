import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";

// Loaded with `--import`: writes the addresses of all modules of the process to the file that MODULES names. An empty line stands
// between those from before and after the first output on standard error.
const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});
const { stderr } = process;
const write = stderr.write.bind(stderr);
stderr.write = ((...args: Parameters<typeof write>) => {
  stderr.write = write;
  loaded.push("");
  return write(...args);
}) as typeof write;
process.on("exit", () => writeFileSync(process.env.MODULES as string, loaded.join("\n")));
