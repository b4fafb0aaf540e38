export type { Admission, AdmissionCounts } from "./admission/admission.ts";
export { isProxyAddress } from "./admission/caller-address.ts";
export { type AdmissionLimits, defaultLimits } from "./admission/limits.ts";
export {
  type Batch,
  type BatchStatus,
  batchStatuses,
  type Counts,
  isFinished,
  type StopRule,
  settledOf,
} from "./batch.ts";
export type { Batches, Refused, Request, Submission, Submitted } from "./batches.ts";
export { checkVendors, createInstance } from "./check-vendors.ts";
export { type Clock, systemClock } from "./clock.ts";
export { checkDatabaseUrl, type Database, openDatabase } from "./database.ts";
export { type DatabaseUrl, type DatabaseUrlRules, oneOf, parseDatabaseUrl, readableFile } from "./database-url.ts";
export type { Engine, EngineFactory, EngineParts } from "./engine.ts";
export {
  type Issue,
  isStorageFault,
  isTransient,
  isUnavailable,
  messageOf,
  NotNow,
  publicMessage,
  publicMessageOf,
  ReinstateError,
  type ReinstateErrorCode,
} from "./errors.ts";
export { defineFlagOperation, type FlagOperation } from "./flags/flag-operation.ts";
export {
  createFlagStore,
  type Flagged,
  type FlagStore,
  type FlagTable,
  inAccount,
  isUnflagged,
} from "./flags/flag-store.ts";
export { createHost, type Host, type HostOptions } from "./host.ts";
export { httpBaseUrl, httpUrl } from "./http-url.ts";
export { columnName } from "./intake/column-name.ts";
export { invalidColumns, mapColumns } from "./intake/columns.ts";
export type { CellsReader, OpenTable, Table } from "./intake/csv.ts";
export { importRecords, type RecordImport, type RefusedLine } from "./intake/import-records.ts";
export { type IntegerText, integerText, parseInteger } from "./intake/integer-text.ts";
export { type RecordFormat, type Row, readRecords, type StreamShape } from "./intake/read-records.ts";
export { type TakeInOptions, takeIn } from "./intake/take-in.ts";
export type { Intake } from "./intake.ts";
export type { ItemOutcome, ItemsPage, ItemsQuery } from "./items.ts";
export { type JsonText, readJson } from "./json-text.ts";
export { adminKeyOptions, type Key, type Keys, type NewKey } from "./keys.ts";
export type { BatchTable, Pruned, PruneOptions } from "./ledger/prune.ts";
export type { BatchFilter } from "./ledger.ts";
export { type Log, silentLog } from "./log.ts";
export { isMarked } from "./marked.ts";
export { decimalNumber, wholeNumber } from "./number-setting.ts";
export {
  type AnyOperation,
  defineOperation,
  type ItemKey,
  type LedgerTransaction,
  type Operation,
  type Outcome,
  type OutcomeWord,
  type Target,
  type Work,
} from "./operation.ts";
export type { Pace } from "./pace.ts";
export { createRateLimit, type RateLimit, type RateLimitOptions } from "./rate-limit.ts";
export { createReplies, type Replies } from "./replies.ts";
export { type Manifest, manifestOf, type ReportFile, type ReportFormat, reportOf } from "./report.ts";
export { statement } from "./statement.ts";
export type { IdempotencyKey } from "./submission/request.ts";
export { ownText } from "./text.ts";
export {
  defineVendor,
  type ImportCounts,
  type ImportFormat,
  type ImportRequest,
  type Vendor,
  type VendorImport,
  type VendorInstance,
} from "./vendor.ts";
export { givenTogether, headerSecret, readVendorOptions, timeZoneName } from "./vendor-options.ts";
export type { Progress } from "./watch.ts";
