import { describe, expect, test } from "vitest";
import { explainOldNode } from "./version.ts";

describe("a version of Node", () => {
  test.each(["22.16.0", "22.23.1", "24.0.0", "24.18.0", "26.5.0"])("%s has known security faults", (version) => {
    expect(explainOldNode(version)).toMatch(/known security faults; use 2[246]\.\d+\.\d or later$/);
  });

  test.each(["20.20.2", "23.11.0", "25.9.0"])("%s gets no fixes any more", (version) => {
    expect(explainOldNode(version)).toBe(`Node ${version} gets no security fixes any more; use 24.18.1 or later`);
  });

  test.each(["22.23.2", "22.24.0", "24.18.1", "24.21.0", "26.5.1", "26.10.0", "28.0.0-nightly2026"])(
    "%s is not warned of",
    (version) => {
      expect(explainOldNode(version)).toBeUndefined();
    },
  );
});
