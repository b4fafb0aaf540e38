import { findLaunchers, isAlive } from "./launchers.ts";

// Serves the gateway from its source, so nothing has to be built first.

/** How often this process checks that its launchers live. */
const launcherCheckMs = 250;

// npx and the shells below it die of SIGTERM without passing it on: treat the death of any of them as the signal.
const launchers = findLaunchers();
if (!launchers) process.exit(143);
const watch = setInterval(() => {
  if (launchers.every(isAlive)) return;
  clearInterval(watch);
  process.kill(process.pid, "SIGTERM");
}, launcherCheckMs).unref();

process.argv = [process.execPath, "reinstate", "serve", "--demo", ...process.argv.slice(2)];
await import(new URL("../../apps/gateway/src/main.ts", import.meta.url).href);
