export type { Admission, AdmissionCounts } from "./admission/admission.ts";
export { isProxyAddress } from "./admission/caller-address.ts";
export { type AdmissionLimits, defaultLimits } from "./admission/limits.ts";
export { createRateLimit, type RateLimit, type RateLimitOptions } from "./admission/rate-limit.ts";
export { createWrongKeys, type WrongKeys } from "./admission/wrong-keys.ts";
export {
  type Batch,
  type BatchStatus,
  batchStatuses,
  type Counts,
  countFinished,
  isFinished,
  type StopRule,
} from "./batch/batch.ts";
export { type Act, type BatchEvent, type EventVerb, eventVerbs } from "./batch/event.ts";
export { type Clock, systemClock } from "./clock.ts";
export type { Database, LedgerTransaction } from "./database/database.ts";
export {
  type DatabaseUrl,
  type DatabaseUrlRules,
  oneOfWords,
  parseDatabaseUrl,
  readableFile,
} from "./database/database-url.ts";
export { checkDatabaseUrl, openDatabase } from "./database/open-database.ts";
export { statement } from "./database/prepared-statement.ts";
export type { Engine, EngineFactory, EngineParts } from "./engine/engine.ts";
export {
  DeferUntil,
  isStorageFault,
  isTransient,
  isUnavailable,
  publicMessage,
  ReinstateError,
  type ReinstateErrorCode,
  toMessage,
  toPublicMessage,
} from "./errors/errors.ts";
export { isMarked } from "./errors/marked.ts";
export type { WaitReason } from "./errors/wait-reason.ts";
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
export { invalidColumns, mapColumns } from "./intake/csv-columns.ts";
export { type IntegerText, integerText, parseInteger } from "./intake/integer-text.ts";
export { tableColumns } from "./intake/item-shape.ts";
export type { CellsReader, OpenTable, Table } from "./intake/read-csv.ts";
export { type ReadItemsOptions, readItems } from "./intake/read-items.ts";
export { type RecordFormat, readRecords, type StreamShape } from "./intake/read-records.ts";
export type { Row } from "./intake/record.ts";
export { type Intake, parseParams } from "./intake/validate-items.ts";
export { adminKeyOptions, type Key, type Keys, type NewKey } from "./keys/keys.ts";
export type { IdempotencyKey } from "./ledger/idempotency-keys.ts";
export type { BatchFilter } from "./ledger/ledger.ts";
export type { LedgerMeasure } from "./ledger/measure.ts";
export type { Pruned, PruneOptions } from "./ledger/prune.ts";
export { createReplies, type Replies } from "./ledger/replies.ts";
export { type Log, silentLog } from "./log.ts";
export { type Observer, silentObserver } from "./observer.ts";
export { columnName } from "./operation/column-name.ts";
export type { Hours, Limits } from "./operation/limits.ts";
export {
  type AnyOperation,
  defineOperation,
  type ItemKey,
  type Operation,
  type Opposite,
  type Outcome,
  type OutcomeWord,
  outcomeWords,
  type Role,
  type Target,
  type Work,
} from "./operation/operation.ts";
export type { ItemOutcome, ItemsPage, ItemsQuery } from "./results/items.ts";
export type { Progress } from "./results/progress.ts";
export {
  type Manifest,
  type ReportFile,
  type ReportFormat,
  writeManifest,
  writeReport,
} from "./results/report.ts";
export { httpBaseUrl, httpUrl } from "./settings/http-url.ts";
export { decimalNumber, wholeNumber } from "./settings/number-setting.ts";
export { givenTogether, headerSecret, readVendorOptions, timeZoneName } from "./settings/vendor-options.ts";
export type { Batches, Failures } from "./submission/batches.ts";
export type { BatchChanges, MarkOptions } from "./submission/change-batches.ts";
export type { Estimate, EstimateRequest, LimitingFactor } from "./submission/estimate.ts";
export type { FindItemQuery, FoundItem, ItemSearch } from "./submission/find-item.ts";
export type { FromBatchOptions, UndoOptions } from "./submission/from-batch.ts";
export type { LimitState } from "./submission/limit-states.ts";
export type { Refused, Request, RetryOptions, Submission, Submitted } from "./submission/request.ts";
export type { Issue } from "./text/issue.ts";
export { type JsonText, readJson } from "./text/json-text.ts";
export { ownText } from "./text/own-text.ts";
export { showControls } from "./text/show-value.ts";
export {
  currentTrace,
  currentTraceId,
  nextTraceparent,
  readTraceparent,
  runInSpan,
  runInTrace,
  type Span,
  type SpanStart,
  type Tracer,
} from "./trace.ts";
export { checkVendors, createInstance } from "./vendor/check-vendors.ts";
export { importRecords, type RecordImport, type RefusedLine } from "./vendor/import-records.ts";
export {
  answerWithin,
  type InspectedTarget,
  type InspectOptions,
  inspectHostDatabase,
  inspectTarget,
  inspectUpstream,
  toPublicAddress,
  type VendorFinding,
  type VendorInspection,
  vendorInspection,
} from "./vendor/inspection.ts";
export { createInspector, type InspectedVendor, type Inspector, type InspectorOptions } from "./vendor/inspector.ts";
export {
  defineVendor,
  type ImportCounts,
  type ImportFormat,
  type ImportRequest,
  type Vendor,
  type VendorImport,
  type VendorInstance,
} from "./vendor/vendor.ts";
