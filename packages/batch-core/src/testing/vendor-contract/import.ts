import assert from "node:assert/strict";
import type { ImportRequest } from "../../vendor/vendor.ts";
import { readContents } from "./contents.ts";
import { type AnyTested, start } from "./tested-vendor.ts";

export async function checkImport(tested: AnyTested, databaseUrl: string): Promise<void> {
  const { vendor, importedLine } = tested;
  assert.ok(vendor.import && importedLine, "a vendor with an import needs `importedLine`");
  await using started = await start(tested, databaseUrl);
  const { host, instance } = started;
  const before = await readContents(host);
  const refused: { line: number; message: string }[] = [];
  const request: ImportRequest = {
    format: "ndjson",
    account: vendor.demo.keys[0]?.account ?? "",
    options: {},
    onRefused: (line) => void refused.push(line),
  };
  const lines = ["", "{broken", importedLine, `{"text":"${"x".repeat(2 * 1024 * 1024)}"}`, "[]", ""];
  const source = (async function* () {
    yield Buffer.from(lines.join("\n"));
  })();
  const counts = await vendor.import.run(host, instance, source, request);
  const reported = { ...counts, lines: refused.map(({ line }) => line) };
  assert.deepEqual(reported, { imported: 1, refused: 3, lines: [2, 4, 5] }, "the import reports other lines");
  assert.ok(
    refused.every(({ message }) => message.length > 0 && message.length < 500),
    "the message of a refused line is empty or too long",
  );
  assert.notEqual(await readContents(host), before, "the import counts a record that it does not store");
}
