import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { readVendorRequest } from "./request.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

describe("the arguments of new-vendor", () => {
  test("have defaults", () => {
    expect(readVendorRequest(["zendesk"], root)).toEqual({
      name: "zendesk",
      record: "record",
      accounts: false,
      ids: "integer",
    });
  });

  test("choose accounts, ids and the word for a record", () => {
    const args = ["--accounts", "graph", "--ids", "string", "--record", "message"];
    expect(readVendorRequest(args, root)).toEqual({ name: "graph", record: "message", accounts: true, ids: "string" });
  });

  test.each([
    [[], /a name is missing/],
    [["zendesk", "graph"], /one name is enough/],
    [["Zendesk"], /must be 2 to 30 lower-case letters/],
    [["zen-desk"], /must be 2 to 30 lower-case letters/],
    [["../zendesk"], /must be 2 to 30 lower-case letters/],
    [["7zip"], /must be 2 to 30 lower-case letters/],
    [["x".repeat(31)], /must be 2 to 30 lower-case letters/],
    [["altcraft"], /packages\/altcraft is there already/],
    [["admin"], /used for something else/],
    [["v1"], /used for something else/],
    [["delete"], /used for something else/],
    [["zendesk", "--ids", "uuid"], /--ids uuid: must be integer or string/],
    [["zendesk", "--record", "error"], /--record error: the word is used/],
    [["zendesk", "--record", "Ticket"], /--record Ticket: must be/],
    [["zendesk", "--force"], /Unknown option '--force'/],
  ])("are rejected in one line: %j", (args, message) => {
    const read = readVendorRequest(args, root);
    expect(read).toEqual({ fault: expect.stringMatching(message) });
    expect((read as { fault: string }).fault).not.toContain("\n");
  });

  test("write nothing if they are rejected", () => {
    const args = ["tooling/src/new-vendor.ts", "zendesk", "--ids", "uuid"];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: "",
      stderr: "new-vendor: --ids uuid: must be integer or string\n",
    });
    expect(existsSync(join(root, "packages/zendesk"))).toBe(false);
  });
});
