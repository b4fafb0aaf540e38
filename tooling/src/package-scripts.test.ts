import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { listPublished } from "./workspace.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test.each([...listPublished(root), "tooling"])("%s finds all of its tests and no others", (path) => {
  const folder = join(root, path);
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { scripts: { test: string } };
  const [command = "", run, ...args] = scripts.test.split(" ");
  expect([command, run]).toEqual(["vitest", "run"]);
  const listed = spawnSync(command, ["list", "--filesOnly", "--json", ...args], { cwd: folder, encoding: "utf8" });
  const files = (JSON.parse(listed.stdout) as { file: string }[]).map(({ file }) => file);
  const expected = (readdirSync(join(folder, "src"), { recursive: true }) as string[])
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join(folder, "src", name));
  expect(files.sort()).toEqual(expected.sort());
});
