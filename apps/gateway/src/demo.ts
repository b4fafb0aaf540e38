import type { Host, Vendor, VendorInstance } from "@reinstate/batch-core";

/** Admin key of the demo, for `/v1`. */
export const demoAdminKey = "demo-admin-key";

/** Adds missing demo keys and records. Existing ones are not changed, so a second start finds its records as they were. */
export async function loadDemo(host: Host, instances: { vendor: Vendor; instance: VendorInstance }[]): Promise<void> {
  const keys = [
    { vendor: "admin", name: "demo", secret: demoAdminKey },
    ...instances.flatMap(({ vendor }) => vendor.demo.keys),
  ];
  for (const key of keys) {
    if (!(await host.keys.find(key.vendor, key.secret))) await host.keys.create(key);
  }
  for (const { vendor, instance } of instances) await vendor.demo.load(host, instance);
}

/** Returns the text that the demo prints at its start: a call for each vendor. */
export function demoWelcome(baseUrl: string, vendors: readonly Vendor[]): string {
  const calls = vendors.map(({ label, demo }) => `# ${label}\n${demo.curl(baseUrl)}\n`);
  return `Restore something, in another terminal:\n\n${calls.join("\n")}
# Every restore is a batch, and every batch has an outcome for each item
curl -s ${baseUrl}/v1/batches -H 'Authorization: Bearer ${demoAdminKey}'
`;
}
