import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";

// Loaded with `--import`: writes the addresses of all modules of the process to the file that MODULES names.
const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});
process.on("exit", () => writeFileSync(process.env.MODULES as string, loaded.join("\n")));
