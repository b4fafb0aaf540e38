export { createVicidial, type Vicidial } from "./create.ts";
export { type DialectName, dialectNames } from "./dialects.ts";
export type { Finding } from "./doctor.ts";
export { openApi } from "./openapi.ts";
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
} from "./store.ts";
export type { Diagnosis } from "./stores/mariadb-doctor.ts";
export { vicidial } from "./vendor.ts";
