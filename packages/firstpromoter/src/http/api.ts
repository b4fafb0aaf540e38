import * as z from "zod";
import { type ActionName, actions } from "../operations/operations.ts";
import {
  batchItems,
  batchProcess,
  batchProgress,
  batchStatus,
  findBy,
  idsRequest,
  itemOutcome,
  newPromoter,
  promoter,
  promoterChanges,
  promoterList,
} from "../schemas.ts";
import type { ErrorName } from "./errors.ts";

/** The prefix of every path. */
export const basePath = "/api/v2/company";

/** One call of the API, as the server routes it and the OpenAPI document describes it. */
export interface Route<Id extends string = string> {
  operationId: Id;
  method: "GET" | "POST" | "PUT";
  /** The path after `basePath`; `{id}` is a parameter. */
  path: string;
  summary: string;
  description?: string;
  /** Marks a call that FirstPromoter does not have. */
  extension?: true;
  /** The operation whose dry run this is; both have the same handler. */
  dryRunOf?: string;
  /** Query parameters by name. */
  query?: Record<string, z.ZodType>;
  /** Request headers by name. */
  headers?: Record<string, z.ZodType>;
  body?: z.ZodType;
  replies: Record<number, z.ZodType>;
  /** The errors of this call, besides those of every call. */
  errors?: ErrorName[];
}

const route = <const Id extends string>(entry: Route<Id>) => entry;

/** Declares a batch action, whose body has the ids and the parameters of the action. */
const action = <const Id extends string>(operationId: Id, name: ActionName, summary: string) =>
  route({
    operationId,
    method: "POST",
    path: `/promoters/${name}`,
    summary,
    description: "A batch of up to 5 ids finishes before the response is sent. A larger one runs in the background.",
    query: dryRunFlag,
    headers: idempotent,
    body: z.object({ ...idsRequest.shape, ...actions[name].params.shape }),
    replies: { 200: batchProcess, 202: batchProcess },
    errors: ["missing_param", "invalid_param", ...bodyErrors, ...keyErrors],
  });

/** Declares the dry run of an action, at a path that the vendor does not have. So the vendor can only reject the call. */
const dryRun = ({ operationId, path, ...action }: Route): Route => ({
  ...action,
  operationId: `try${operationId.charAt(0).toUpperCase()}${operationId.slice(1)}`,
  dryRunOf: operationId,
  path: `${path}/dry_run`,
  summary: `Report what ${path.slice("/promoters/".length)} would do`,
  extension: true,
  query: {},
});

const bodyErrors = ["malformed_json", "body_too_large", "encoded_body"] as const satisfies ErrorName[];
const keyErrors = ["idempotency_mismatch", "idempotency_running"] as const satisfies ErrorName[];

const dryRunFlag = { dry_run: z.boolean().describe("Report what would happen and change nothing") };

const idempotent = {
  "Idempotency-Key": z.string().min(1).max(255).describe("Repeats with the same key get the first response again"),
};

/** Maximum number of records in a page. */
export const mostPageItems = 100;

const page = {
  page: z.int().min(1).describe("Starts at 1, the default"),
  per_page: z.int().min(1).max(mostPageItems),
};

const statusFilter = { "filters[status]": z.union([batchStatus, z.array(batchStatus)]) };

const control = <const Id extends string>(operationId: Id, verb: string, summary: string) =>
  route({
    operationId,
    method: "POST",
    path: `/batch_processes/{id}/${verb}`,
    summary,
    extension: true,
    replies: { 200: batchProcess },
    // The call reads a body only to reject parameters that select a part of the batch.
    errors: ["not_found", "wrong_state", ...bodyErrors],
  });

const actionApi = [
  action("restorePromoters", "restore", "Restore archived promoters"),
  action("archivePromoters", "archive", "Archive promoters"),
  action("acceptPromoters", "accept", "Accept promoters in a campaign that they are in"),
  action("rejectPromoters", "reject", "Reject promoters in a campaign"),
  action("blockPromoters", "block", "Block promoters in a campaign"),
  action("movePromotersToCampaign", "move_to_campaign", "Move promoters from one campaign to another"),
  action("addPromotersToCampaign", "add_to_campaign", "Add promoters to a campaign"),
  action("assignParentToPromoters", "assign_parent", "Set the parent of promoters"),
] as const;

/** The calls on batches, in the order in which paths are matched. */
const batchApi = [
  route({
    operationId: "listBatchProcesses",
    method: "GET",
    path: "/batch_processes",
    summary: "List batches, newest first",
    description: "Without a filter, the unfinished batches.",
    query: { ...statusFilter, ...page },
    replies: { 200: z.array(batchProcess) },
  }),
  route({
    operationId: "getBatchProcessProgress",
    method: "GET",
    path: "/batch_processes/progress",
    summary: "Get the progress of batches",
    description: "Batch id to whole percent; without a filter, of the unfinished batches.",
    query: { ...statusFilter, ...page },
    replies: { 200: batchProgress },
  }),
  route({
    operationId: "getBatchProcess",
    method: "GET",
    path: "/batch_processes/{id}",
    summary: "Get one batch",
    replies: { 200: batchProcess },
    errors: ["not_found"],
  }),
  route({
    operationId: "listBatchProcessItems",
    method: "GET",
    path: "/batch_processes/{id}/items",
    summary: "List the outcomes of a batch",
    extension: true,
    query: {
      "filters[outcome]": itemOutcome,
      cursor: z.string().describe("The next_cursor of the previous page"),
      per_page: page.per_page,
    },
    replies: { 200: batchItems },
    errors: ["not_found", "invalid_param"],
  }),
  control("stopBatchProcess", "stop", "Stop a batch before its next chunk"),
  control("resumeBatchProcess", "resume", "Resume a stopped batch"),
  control("retryBatchProcess", "retry", "Run the failed ids of a finished batch again"),
  route({
    operationId: "undoBatchProcess",
    method: "POST",
    path: "/batch_processes/{id}/undo",
    summary: "Undo an archive batch",
    description: "Restores what the batch archived, except promoters restored since, in a new batch.",
    extension: true,
    query: dryRunFlag,
    headers: idempotent,
    replies: { 200: batchProcess, 202: batchProcess },
    errors: ["not_found", "wrong_state", "invalid_param", ...bodyErrors, ...keyErrors],
  }),
] as const;

/** The calls that read and write promoters. */
const promoterApi = [
  route({
    operationId: "getPromoters",
    method: "GET",
    path: "/promoters",
    summary: "List promoters, newest first",
    description: "Lists archived promoters only with filters[archived].",
    query: {
      q: z.string().describe("A part of the address, the name, the website or a ref token"),
      "ids[]": z.array(z.int()),
      filters: z.record(z.string(), z.unknown()).describe("filters[archived]=true and the like"),
      sorting: z.record(z.string(), z.enum(["asc", "desc"])),
      ...page,
      include_parent_promoter: z.boolean(),
      exclude_payout_method: z.boolean(),
    },
    replies: { 200: promoterList },
  }),
  route({
    operationId: "getPromoter",
    method: "GET",
    path: "/promoters/{id}",
    summary: "Get one promoter by id, or by the value that find_by names",
    query: { find_by: findBy, include_parent_promoter: z.boolean(), exclude_payout_method: z.boolean() },
    replies: { 200: promoter },
    errors: ["not_found", "cannot_find_by"],
  }),
  route({
    operationId: "createPromoter",
    method: "POST",
    path: "/promoters",
    summary: "Create a promoter",
    body: newPromoter,
    replies: { 201: promoter },
    errors: ["invalid_record", "not_found", "missing_param", ...bodyErrors],
  }),
  route({
    operationId: "updatePromoter",
    method: "PUT",
    path: "/promoters/{id}",
    summary: "Change a promoter",
    body: promoterChanges,
    replies: { 200: promoter },
    errors: ["invalid_record", "not_found", ...bodyErrors],
  }),
] as const;

/** Every call that is served. */
export const api: readonly Route[] = [...actionApi, ...actionApi.map(dryRun), ...batchApi, ...promoterApi];

/** The operation ids of the calls, by handler module. */
export type ActionOperationId = (typeof actionApi)[number]["operationId"];
export type BatchOperationId = (typeof batchApi)[number]["operationId"];
export type PromoterOperationId = (typeof promoterApi)[number]["operationId"];
