export type { ImportCounts, RefusedLine } from "@reinstate/batch-core";
export { createFirstPromoter, type FirstPromoter } from "./create.ts";
export { type ImportOptions, importPromoters } from "./import.ts";
export { openApi } from "./openapi.ts";
export type { FirstPromoterOptions, Upstream } from "./options.ts";
export type {
  CampaignRecord,
  MembershipRecord,
  NewPromoterRecord,
  PromoterQuery,
  PromoterRecord,
  PromoterStore,
} from "./store.ts";
export { firstpromoter } from "./vendor.ts";
