export type { ImportCounts, RefusedLine } from "@reinstate/batch-core";
export { createFirstPromoter, type FirstPromoter } from "./create.ts";
export { openApi } from "./http/openapi.ts";
export { type ImportOptions, importPromoters } from "./import/import.ts";
export type { FirstPromoterOptions, Upstream } from "./options.ts";
export type {
  CampaignRecord,
  MembershipRecord,
  NewPromoterRecord,
  PromoterQuery,
  PromoterRecord,
  PromoterStore,
} from "./store/store.ts";
export { firstpromoter } from "./vendor.ts";
