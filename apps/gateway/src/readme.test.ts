import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");

/** Each command with the answer printed under it. */
const examples = [...readme.matchAll(/^```sh\n([\s\S]*?)^```\n\n```json\n([\s\S]*?)^```$/gm)].map((match) => ({
  command: match[1] ?? "",
  answer: JSON.parse(match[2] ?? "") as unknown,
}));

/** Times and the ids of keys differ from run to run; everything else must be as printed. */
function steady(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (name, value) => (/_at$|^actor$/.test(name) ? typeof value : value)));
}

test("the README's calls answer what is printed under them, in its order", async () => {
  expect(examples).toHaveLength(6);
  await using database = sqliteDatabase();
  await using gateway = await startGateway({
    REINSTATE_DEMO: "true",
    REINSTATE_DATABASE_URL: database.url,
    LOG_LEVEL: "silent",
  });
  for (const { command, answer } of examples) {
    const here = command.replaceAll("http://127.0.0.1:8787", gateway.baseUrl);
    expect(here).not.toBe(command);
    const printed = execFileSync("bash", ["-c", here], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    // As text: the order of the members counts too.
    expect(JSON.stringify(steady(JSON.parse(printed)))).toBe(JSON.stringify(steady(answer)));
  }
});
