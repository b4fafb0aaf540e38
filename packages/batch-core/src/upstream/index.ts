export { definePerItemOperation, type ItemList, type ListedItem, type PerItemOperation } from "./per-item.ts";
export { defineReadBackOperation, type ItemStates, type ReadBackOperation } from "./read-back.ts";
export type { VendorJobs } from "./vendor-job.ts";
