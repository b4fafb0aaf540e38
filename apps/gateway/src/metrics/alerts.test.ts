import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createHost } from "@reinstate/batch-core";
import { findPromtool } from "@reinstate/tooling/services";
import { describe, expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

const folder = fileURLToPath(new URL("../../../../deploy/", import.meta.url));
const read = (file: string) => readFileSync(folder + file, "utf8");
const rules = read("prometheus/reinstate.rules.yml");
const alerts = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name as string);

/** Runs promtool in the folder of the rules. */
function promtool(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(findPromtool(), args, { cwd: `${folder}prometheus`, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

/** Returns the names of all metrics of a gateway, with those of the parts of histograms. */
async function listMetrics(): Promise<Set<string>> {
  const host = await createHost({ databaseUrl: "sqlite::memory:" });
  const metrics = createMetrics({ vendors: [], settings: {} });
  metrics.measure(host);
  const { text } = await metrics.render();
  metrics.close();
  await host.close();
  return new Set(
    [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = "", type]) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name + part) : [name],
    ),
  );
}

const usedMetrics = (text: string) =>
  new Set([...text.matchAll(/\b(?:reinstate|process)_[a-z_]+/g)].map(([name]) => name));

describe("the alert rules", () => {
  test("are valid", () => {
    expect(promtool("check", "rules", "reinstate.rules.yml")).toMatchObject({ status: 0 });
  });

  test("each fire and stay silent in their tests", () => {
    const cases = read("prometheus/reinstate.rules.test.yml");
    for (const alert of alerts) {
      expect(cases).toContain(`name: ${alert} fires`);
      expect(cases).toContain(`name: ${alert} stays silent`);
    }
    expect(alerts.length).toBeGreaterThan(5);
    expect(promtool("test", "rules", "reinstate.rules.test.yml")).toMatchObject({ status: 0 });
  });

  test("are each explained in the guide", () => {
    const guide = read("../docs/guides/monitoring.md");
    expect(alerts.filter((alert) => !guide.includes(`\`${alert}\``))).toEqual([]);
  });

  test("use only metrics that exist", async () => {
    const known = await listMetrics();
    expect([...usedMetrics(rules)].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe("the Grafana dashboard", () => {
  test("uses only metrics that exist", async () => {
    const known = await listMetrics();
    const used = usedMetrics(JSON.stringify(JSON.parse(read("grafana/reinstate.json"))));
    expect(used.size).toBeGreaterThan(10);
    expect([...used].filter((name) => !known.has(name))).toEqual([]);
  });

  test("is explained with every metric in the guide", async () => {
    const guide = read("../docs/guides/monitoring.md");
    const names = [...(await listMetrics())].map((name) => name.replace(/_(bucket|sum|count)$/, ""));
    expect(names.filter((name) => !guide.includes(`\`${name}`))).toEqual([]);
  });
});
