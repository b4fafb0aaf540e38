import { spawnSync } from "node:child_process";

// Builds what changed, then becomes the gateway: one process, so that a signal reaches it.
const build = spawnSync("turbo", ["run", "build", "--filter=@reinstate/gateway...", "--output-logs=errors-only"], {
  stdio: ["ignore", 2, 2],
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" },
});
if (build.status !== 0) process.exit(build.status ?? 1);
process.argv = [process.execPath, "reinstate", "serve", "--demo", ...process.argv.slice(2)];
const gateway = new URL("../../apps/gateway/dist/main.js", import.meta.url);
await import(gateway.href);
