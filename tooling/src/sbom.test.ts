import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { listRuntimeDependencies, readLockfile } from "./dependency-closure.ts";
import { compareSbom, writeSboms } from "./sbom.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("a bill of materials", () => {
  test("lists the gateway's runtime dependencies and no others", () => {
    const folder = mkdtempSync(join(tmpdir(), "reinstate-sboms-"));
    try {
      writeSboms(root, folder, ["apps/gateway"]);
      const sbom = JSON.parse(readFileSync(join(folder, "gateway.cdx.json"), "utf8")) as {
        bomFormat: string;
        components: { purl: string }[];
      };
      expect(sbom.bomFormat).toBe("CycloneDX");
      const dependencies = listRuntimeDependencies(readLockfile(root), "apps/gateway");
      const extra = { name: "@scope/extra", version: "1.0.0" };
      expect(compareSbom(sbom, dependencies)).toEqual([]);
      expect(compareSbom(sbom, [...dependencies, extra])).toEqual(["@scope/extra@1.0.0"]);
      const [first, ...others] = dependencies;
      expect(compareSbom(sbom, others)).toEqual([`${first?.name}@${first?.version}`]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
