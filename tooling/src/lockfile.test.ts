import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

interface Platform {
  os: string;
  cpu: string;
  libc?: string;
}

interface Package {
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

interface Lockfile {
  importers: Record<string, { optionalDependencies?: Record<string, { version: string }> }>;
  packages: Record<string, Package>;
  snapshots: Record<string, { optionalDependencies?: Record<string, string> }>;
}

const platforms: [string, Platform][] = [
  ["darwin-arm64", { os: "darwin", cpu: "arm64" }],
  ["darwin-x64", { os: "darwin", cpu: "x64" }],
  ["linux-arm64", { os: "linux", cpu: "arm64", libc: "glibc" }],
  ["linux-x64", { os: "linux", cpu: "x64", libc: "glibc" }],
  ["linux-x64-musl", { os: "linux", cpu: "x64", libc: "musl" }],
  ["win32-x64", { os: "win32", cpu: "x64" }],
];

const text = readFileSync(fileURLToPath(new URL("../../pnpm-lock.yaml", import.meta.url)), "utf8");
const lockfile = parse(text) as Lockfile;

/** The packages that bring a program or a library for each platform, with the names of those builds. */
const families = Object.entries(lockfile.snapshots)
  .map(([owner, { optionalDependencies = {} }]): [string, string[]] => [
    owner,
    Object.entries(optionalDependencies)
      .map(([name, version]) => `${name}@${version}`)
      .filter((build) => lockfile.packages[build]?.cpu),
  ])
  .filter(([, builds]) => builds.length > 0);

function runsOn(platform: Platform, build: string): boolean {
  const { os, cpu, libc } = lockfile.packages[build] ?? {};
  return (
    (os?.includes(platform.os) ?? true) &&
    (cpu?.includes(platform.cpu) ?? true) &&
    (platform.libc === undefined || (libc?.includes(platform.libc) ?? true))
  );
}

describe("lock file", () => {
  test("knows the packages that bring a build for each platform", () => {
    const owners = families.map(([owner]) => owner.replace(/(?<=.)@.*/, ""));
    expect(owners).toEqual(
      expect.arrayContaining([
        "@biomejs/biome",
        "esbuild",
        "lightningcss",
        "rolldown",
        "rollup",
        "turbo",
        "typescript",
      ]),
    );
  });

  describe.each(platforms)("%s", (_, platform) => {
    test.each(families)("has a build of %s", (_, builds) => {
      expect(builds.filter((build) => runsOn(platform, build))).not.toEqual([]);
    });
  });

  // No build of Node for musl is published: there the scripts run on the Node that started them.
  test.each(platforms.filter(([name]) => name !== "linux-x64-musl"))("has one Node for %s", (_, platform) => {
    const nodes = Object.entries(lockfile.importers["."]?.optionalDependencies ?? {}).map(
      ([name, { version }]) => `${name}@${version}`,
    );
    expect(nodes.filter((build) => runsOn(platform, build))).toHaveLength(1);
  });

  test("names no registry", () => {
    expect(text).not.toMatch(/https?:|tarball:/);
  });
});
