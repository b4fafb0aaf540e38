import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startGateway, temporaryFolder } from "./testing/gateway-process.ts";

const readMode = (path: string) => (statSync(path).mode & 0o777).toString(8);
const modesIn = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readMode(join(folder, name))]));

const files = { "reinstate.db": "600", "reinstate.db-shm": "600", "reinstate.db-wal": "600" };

describe.skipIf(process.platform === "win32")("the files of the embedded database", () => {
  test("are for this user alone", async () => {
    await using folder = temporaryFolder();
    const data = join(folder.path, "new", "data");
    await using _ = await startGateway({ REINSTATE_DATA: data });
    expect([readMode(data), modesIn(data)]).toEqual(["700", files]);
  });

  test("become so where an earlier start left them open", async () => {
    await using folder = temporaryFolder();
    const data = join(folder.path, "data");
    mkdirSync(data);
    writeFileSync(join(data, "reinstate.db"), "");
    chmodSync(data, 0o755);
    chmodSync(join(data, "reinstate.db"), 0o644);
    await using _ = await startGateway({ REINSTATE_DATA: data });
    expect([readMode(data), modesIn(data)]).toEqual(["700", files]);
  });

  test("leave a folder as it is that holds more than them", async () => {
    await using folder = temporaryFolder();
    const data = join(folder.path, "shared");
    mkdirSync(data);
    writeFileSync(join(data, "notes.txt"), "");
    chmodSync(data, 0o755);
    await using _ = await startGateway({ REINSTATE_DATA: data });
    expect([readMode(data), modesIn(data)]).toEqual(["755", { ...files, "notes.txt": expect.any(String) }]);
  });
});
