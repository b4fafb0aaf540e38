export { readRequestId, toRequestId } from "../admission/request-id.ts";
export { cutList, cutText } from "../errors/cut-text.ts";
export {
  type FlagField,
  type FlagPart,
  findFlags,
  findFlagsInJson,
  findFlagsInSlices,
  findFlagsInValue,
  readSafetyFlags,
  resemblesSafetyFlag,
  type SafetyFlag,
  safetyFlagNamed,
  safetyFlags,
  withSafetyFlags,
} from "../safety-flags/safety-flags.ts";
export { readJsonInSlices } from "../text/json-slices.ts";
export { findClosingQuote, longestText, maxDepth } from "../text/json-text.ts";
export { answerAborted } from "./aborted.ts";
export { admitCalls } from "./admit-calls.ts";
export { ApiError, type ApiErrorOptions, type ApiErrors, defineErrors, type FaultKind } from "./api-errors.ts";
export { authenticate, type CredentialForm, type Credentials, readCredentials } from "./credentials.ts";
export { cursorPage } from "./cursor-page.ts";
export { type EventStreamOptions, streamEvents } from "./event-stream.ts";
export { isIdempotencyKey } from "./idempotency-key.ts";
export { parseJson, parseJsonBody, parseJsonInSlices } from "./json.ts";
export { parseBatchId, parseInput, readItemText } from "./parse-query.ts";
export { cleanPath, createPathTable } from "./path.ts";
export { faultProblem, type Problem, problem, problemBody, toProblem } from "./problem.ts";
export { type ProblemMeaning, type ProblemType, problemTypes } from "./problem-types.ts";
export { bodyParts, decodeUtf8, readBody, unknownCallerBytes } from "./read-body.ts";
export { manifestResponse, reportResponse } from "./reports.ts";
export { batchBody } from "./representations.ts";
export { v1OpenApi } from "./v1-openapi.ts";
export {
  type BatchDetailReply,
  type BatchesReply,
  type BatchReply,
  batchDetailReply,
  batchesReply,
  batchReply,
  type FoundItemsReply,
  foundItemsReply,
  type HistoryReply,
  historyReply,
  type ItemsReply,
  itemsReply,
  type ManifestReply,
  manifestReply,
  type OperationsReply,
  operationsReply,
  problemReply,
} from "./v1-replies.ts";
export { createV1Routes, type V1Options } from "./v1-routes.ts";
