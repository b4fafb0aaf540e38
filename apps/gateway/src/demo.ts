import type { Host, Vendor, VendorInstance } from "@reinstate/batch-core";

/** The key of our own API in a demo. */
export const demoAdminKey = "demo-admin-key";

/** Loads what is not there yet: a second start finds the records as they were left. */
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

/** What a person who has just started the demo wants to see. */
export function demoWelcome(baseUrl: string, vendors: readonly Vendor[]): string {
  const calls = vendors.map(({ label, demo }) => `# ${label}\n${demo.curl(baseUrl)}\n`);
  return `Restore something, in another terminal:\n\n${calls.join("\n")}
# Every restore is a batch, and every batch knows the fate of each item
curl -s ${baseUrl}/v1/batches -H 'Authorization: Bearer ${demoAdminKey}'
`;
}
