export { type Acme, createAcme } from "./create.ts";
export type { AcmeOptions } from "./options.ts";
export type { NewWidget, WidgetRecord, WidgetStore } from "./store/store.ts";
export { acme } from "./vendor.ts";
