import { fileURLToPath } from "node:url";
import { generateVendor } from "./vendor-generator/generate.ts";
import { readVendorRequest } from "./vendor-generator/request.ts";

// `pnpm new-vendor zendesk --accounts --ids integer --record ticket`
const root = fileURLToPath(new URL("../..", import.meta.url));
const request = readVendorRequest(process.argv.slice(2), root);
if ("fault" in request) {
  process.stderr.write(`new-vendor: ${request.fault}\n`);
  process.exit(2);
}
const { written, changed } = generateVendor(root, request);
process.stdout.write(
  [
    ...written.map((path) => `wrote    ${path}`),
    ...changed.map((path) => `changed  ${path}`),
    "",
    "Next: npx -y pnpm@10.34.8 check lists each place to fill; docs/contributing/add-a-vendor.md has the order of work.",
    "",
  ].join("\n"),
);
