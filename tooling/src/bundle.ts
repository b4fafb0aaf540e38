import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { makeFolder, runFolder } from "./run-folder.ts";

/**
 * Bundles a program, with all that it imports, into one file that starts in a third of the time. For tests that start it
 * again and again. All test files of a run share one bundle.
 *
 * @param program - The path of its source.
 * @returns the path of the bundle, or of the source itself outside of a test run.
 */
export async function bundleProgram(program: string): Promise<string> {
  if (!runFolder()) return program;
  return bundle(`${basename(program, ".ts")}-${digest(program)}`, { entryPoints: [program] });
}

/**
 * Bundles the text of a TypeScript program. See {@link bundleProgram}.
 *
 * @param contents - The program.
 * @param folder - Where the program's imports are resolved from.
 */
export function bundleText(contents: string, folder: string): Promise<string> {
  const stdin = { contents, resolveDir: folder, loader: "ts" } as const;
  return bundle(`text-${digest(folder + contents)}`, { stdin });
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** How a program and all that it imports become one file. */
export const bundleOptions = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22",
  logLevel: "error",
  // Some of what is bundled was written for CommonJS and calls `require`.
  banner: {
    js: 'import { createRequire as forBundle } from "node:module"; const require = forBundle(import.meta.url);',
  },
} as const satisfies BuildOptions;

async function bundle(name: string, entry: BuildOptions): Promise<string> {
  const folder = join(runFolder() ?? makeFolder("reinstate-program-"), "programs");
  const file = join(folder, `${name}.mjs`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  // Renamed into place: another process of the run sees the whole bundle or none.
  const unfinished = join(folder, `${name}-${process.pid}.mjs`);
  await build({
    ...bundleOptions,
    ...entry,
    outfile: unfinished,
  });
  renameSync(unfinished, file);
  return file;
}
