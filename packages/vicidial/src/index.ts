export { createVicidial, type Vicidial } from "./create.ts";
export type { Diagnosis } from "./doctor/diagnose.ts";
export type { Finding } from "./doctor/examine.ts";
export { type DialectName, dialectNames } from "./http/dialects.ts";
export { openApi } from "./http/openapi.ts";
export type { VicidialOptions } from "./options.ts";
export type { LeadFilter } from "./schemas.ts";
export {
  type Companions,
  type Counts,
  type Fate,
  type LeadStore,
  type Move,
  type Moved,
  MoveRefused,
  type MoveWork,
  NothingMoved,
  type Standing,
  TablesDamaged,
  type Verb,
} from "./store/lead-store.ts";
export { vicidial } from "./vendor.ts";
