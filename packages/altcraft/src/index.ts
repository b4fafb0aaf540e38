export type { RefusedLine } from "@reinstate/batch-core";
export { type Altcraft, createAltcraft, type Loaded } from "./create.ts";
export { type Imported, type ImportOptions, importSubscriptions } from "./import.ts";
export { openApi } from "./openapi.ts";
export type { AltcraftOptions, AltcraftSettings } from "./options.ts";
export type {
  AddressFields,
  Flagged,
  Profile,
  Resource,
  StoredSubscription,
  SubscriptionKey,
  SubscriptionStore,
} from "./store.ts";
export { altcraft } from "./vendor.ts";
