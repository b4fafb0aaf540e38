export { createFirstPromoter, type FirstPromoter } from "./create.ts";
export { type ImportOptions, type ImportReport, importPromoters, type RefusedLine } from "./import.ts";
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
