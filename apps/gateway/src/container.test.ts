import { readFileSync, statSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@reinstate/batch-core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltImage, buildImage, parseContainerfile, runContained } from "./testing/container.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const file = readFileSync(join(root, "deploy/Containerfile"), "utf8");

async function findPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

describe("the container file", () => {
  test("runs as a user without privileges, with one volume", () => {
    const last = parseContainerfile(file).at(-1);
    const all = (word: string) => last?.instructions.filter((one) => one.word === word).map(({ text }) => text);
    expect(all("USER")).toEqual(["10001:10001"]);
    expect(all("VOLUME")).toEqual(['["/data"]']);
    expect(all("STOPSIGNAL")).toEqual(["SIGTERM"]);
    // No instruction of the final image needs a shell.
    expect(all("RUN")).toEqual([]);
    for (const word of ["ENTRYPOINT", "CMD"]) expect(all(word)?.[0]).toMatch(/^\[/);
  });
});

describe("the image", () => {
  let image: BuiltImage;
  beforeAll(() => {
    image = buildImage(root, file);
  });
  afterAll(() => image?.[Symbol.dispose]());

  const settings = async () => ({
    PORT: await findPort(),
    HOST: "127.0.0.1",
    REINSTATE_DEMO: "true",
    LOG_LEVEL: "warn",
  });

  test("holds the licences of what it contains", () => {
    const licences = readFileSync(join(image.folder, "app/LICENSES.txt"), "utf8");
    for (const name of ["hono", "kysely", "pg", "pino", "zod"])
      expect(licences).toMatch(new RegExp(`^${name} \\d`, "m"));
    expect(statSync(join(image.folder, "app/swagger-ui/NOTICE")).size).toBeGreaterThan(0);
  });

  test("serves, restores and stops with a read-only root", async () => {
    const env = await settings();
    const server = runContained(image, image.command, env);
    const exitedEarly = server.exited.then((status) => {
      throw new Error(`Ended with ${status}: ${server.output()}`);
    });
    const url = `http://127.0.0.1:${env.PORT}`;
    await Promise.race([until(() => /listens on/.test(server.output())), exitedEarly]);

    const health = runContained(image, image.healthcheck, env);
    expect([await health.exited, health.output()]).toEqual([0, "alive\n"]);
    const restored = await fetch(`${url}/vicidial/leads/dearchive`, {
      method: "POST",
      headers: { authorization: "Key=demo-vicidial-key", "content-type": "application/json" },
      body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: [0, 1] }),
    });
    expect(await restored.json()).toMatchObject({ select_count: 2, insert_count: 2, delete_count: 2 });
    for (const path of ["/docs", "/docs/swagger-ui-bundle.js", "/metrics"]) {
      expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
    }
    expect(statSync(join(image.folder, "data/reinstate.db")).size).toBeGreaterThan(0);

    const started = performance.now();
    server.kill("SIGTERM");
    exitedEarly.catch(() => {});
    expect(await server.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(25_000);
    const after = runContained(image, image.healthcheck, env);
    expect(await after.exited).toBe(5);
  });

  test("cannot write outside of its volume", async () => {
    const script = `
      const fs = require("node:fs");
      const faults = ["/app/x", "/x", "/usr/x", "/etc/x"].map((path) => {
        try { fs.writeFileSync(path, ""); return path; } catch (error) { return error.code; }
      });
      fs.writeFileSync("/data/x", "");
      console.log(process.getuid(), process.getgid(), ...faults);`;
    const probe = runContained(image, ["node", "-e", script]);
    await probe.exited;
    expect(probe.output()).toBe("10001 10001 EROFS EROFS EROFS EROFS\n");
  });
});
