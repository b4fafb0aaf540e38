import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleOptions } from "./bundle.ts";
import { copySwaggerUi } from "./swagger-ui.ts";
import { writeBuild } from "./write-build.ts";

// `node bundle-gateway.ts FOLDER`: the gateway in one file, with what its dependencies' licences require.

const root = fileURLToPath(new URL("../..", import.meta.url));
const gateway = join(root, "apps/gateway");
const folder = resolve(process.argv[2] ?? "dist");

mkdirSync(folder, { recursive: true });
const { metafile } = await build({
  ...bundleOptions,
  absWorkingDir: root,
  entryPoints: [join(gateway, "src/main.ts")],
  outfile: join(folder, "reinstate.mjs"),
  metafile: true,
});
// Its first line names Node, so it runs as a command.
chmodSync(join(folder, "reinstate.mjs"), 0o755);
copySwaggerUi(gateway, join(folder, "swagger-ui"));
writeBuild(folder);
writeFileSync(join(folder, "LICENSES.txt"), collectLicenses(Object.keys(metafile.inputs)));
writeFileSync(join(folder, "LICENSE"), readFileSync(join(root, "LICENSE")));

/** Returns the licence of each package of these files. */
function collectLicenses(files: readonly string[]): string {
  const packages = new Set(files.flatMap((file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []));
  return [...packages].sort().map(readLicense).join("\n\n");
}

function readLicense(path: string): string {
  const at = join(root, path);
  const { name, version, license } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as Record<
    string,
    string
  >;
  const texts = readdirSync(at).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const text = texts.map((file) => readFileSync(join(at, file), "utf8").trim());
  return [`${name} ${version}: ${license}`, ...text].join("\n\n");
}
