export type { RefusedLine } from "@reinstate/batch-core";
export { type Altcraft, createAltcraft, type Loaded } from "./create.ts";
export { openApi } from "./http/openapi.ts";
export { type Imported, type ImportOptions, importSubscriptions } from "./import/import.ts";
export type { AltcraftOptions, AltcraftSettings } from "./options.ts";
export type {
  AddressFields,
  Flagged,
  Profile,
  Resource,
  StoredSubscription,
  SubscriptionKey,
  SubscriptionStore,
} from "./store/store.ts";
export { altcraft } from "./vendor.ts";
