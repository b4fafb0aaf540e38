import type { Vendor } from "@reinstate/batch-core";
import type { Acme } from "./create.ts";
import type { NewWidget } from "./store/store.ts";

/** Milliseconds since 1970 UTC at which the demo's deleted widgets were deleted. */
const deletedAt = Date.UTC(2026, 0, 1);

// FILL: demo records as the vendor's documents show them. Each account has widgets of its own; the first ones are deleted.
const accounts = [
  { account: "acc_demo", first: 1, last: 100, lastDeleted: 90 }, // only with --accounts
  { account: "acc_other", first: 201, last: 210, lastDeleted: 205 }, // only with --accounts
  { account: "", first: 1, last: 100, lastDeleted: 90 }, // only without --accounts
];

export const demo: Vendor<unknown, Acme>["demo"] = {
  keys: [
    { vendor: "acme", account: "acc_demo", name: "demo", secret: "demo-acme-key" }, // only with --accounts
    { vendor: "acme", account: "acc_other", name: "demo, another account", secret: "demo-acme-other-key" }, // only with --accounts
    { vendor: "acme", name: "demo", secret: "demo-acme-key" }, // only without --accounts
  ],
  async load({ clock }, { store }) {
    for (const { account, first, last, lastDeleted } of accounts) {
      const widgets = Array.from({ length: last - first + 1 }, (_, index) =>
        demoWidget(account, first + index, lastDeleted),
      );
      // Widgets that are there already stay as they are.
      await store.add(account, widgets, clock.now());
    }
  },
  curl: (baseUrl) =>
    `curl -X POST ${baseUrl}/acme/widgets/restore -H 'Authorization: Bearer demo-acme-key' ` +
    `-H 'Content-Type: application/json' -d '{"ids":[1]}'`, // only with --ids integer
    `-H 'Content-Type: application/json' -d '{"ids":["widget-1"]}'`, // only with --ids string
};

function demoWidget(account: string, index: number, lastDeleted: number): NewWidget {
  return {
    id: index, // only with --ids integer
    id: `widget-${index}`, // only with --ids string
    title: `Widget ${index} of ${account || "the demo"}`,
    deleted_at: index <= lastDeleted ? deletedAt : null,
  };
}
