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

/** What stands before every path. */
export const basePath = "/api/v2/company";

/** One call of the API, as it is served and as the OpenAPI document tells it. */
export interface Route<Id extends string = string> {
  operationId: Id;
  method: "GET" | "POST" | "PUT";
  /** From `basePath` on; `{id}` is a parameter. */
  path: string;
  summary: string;
  description?: string;
  /** Not the vendor's: one of those that are opt-in. */
  own?: true;
  /** The operation that this one is a dry run of, with the same handler. */
  dryRunOf?: string;
  /** Parameters of the query, by name. */
  query?: Record<string, z.ZodType>;
  /** Headers of the request, by name. */
  headers?: Record<string, z.ZodType>;
  body?: z.ZodType;
  replies: Record<number, z.ZodType>;
  /** The refusals that this call has besides those that all have. */
  errors?: ErrorName[];
}

const route = <const Id extends string>(given: Route<Id>) => given;

/** A batch action: the ids, with what the action needs to know. */
const action = <const Id extends string>(operationId: Id, name: ActionName, summary: string) =>
  route({
    operationId,
    method: "POST",
    path: `/promoters/${name}`,
    summary,
    description: "A batch of up to 5 ids is finished with the answer, a larger one goes on in the background.",
    query: dryRunFlag,
    headers: idempotent,
    body: z.object({ ...idsRequest.shape, ...actions[name].params.shape }),
    replies: { 200: batchProcess, 202: batchProcess },
    errors: ["missing_param", "invalid_param", ...ofBodies, ...ofKeys],
  });

/** The same as a dry run, at a path that the vendor does not have: there it is refused, and never carried out for real. */
const dryRun = ({ operationId, path, ...action }: Route): Route => ({
  ...action,
  operationId: `try${operationId.charAt(0).toUpperCase()}${operationId.slice(1)}`,
  dryRunOf: operationId,
  path: `${path}/dry_run`,
  summary: `Tell what ${path.slice("/promoters/".length)} would do`,
  own: true,
  query: {},
});

const ofBodies = ["malformed_json", "body_too_large", "encoded_body"] as const satisfies ErrorName[];
const ofKeys = ["idempotency_mismatch", "idempotency_running"] as const satisfies ErrorName[];

const dryRunFlag = { dry_run: z.boolean().describe("Only tell what would happen") };

const idempotent = {
  "Idempotency-Key": z.string().min(1).max(255).describe("A repeat with the same key is answered as the first time"),
};

const page = {
  page: z.int().min(1).describe("From 1, the default"),
  per_page: z.int().min(1).max(100),
};

const statusFilter = { "filters[status]": z.union([batchStatus, z.array(batchStatus)]) };

const move = <const Id extends string>(operationId: Id, verb: string, summary: string) =>
  route({
    operationId,
    method: "POST",
    path: `/batch_processes/{id}/${verb}`,
    summary,
    own: true,
    replies: { 200: batchProcess },
    // It takes no parameters, but reads a body to reject those that would select a part of the batch.
    errors: ["not_found", "wrong_state", ...ofBodies],
  });

const actionApi = [
  action("restorePromoters", "restore", "Bring archived promoters back"),
  action("archivePromoters", "archive", "Archive promoters"),
  action("acceptPromoters", "accept", "Accept promoters into a campaign that they are in"),
  action("rejectPromoters", "reject", "Reject promoters in a campaign"),
  action("blockPromoters", "block", "Block promoters in a campaign"),
  action("movePromotersToCampaign", "move_to_campaign", "Move promoters from one campaign to another"),
  action("addPromotersToCampaign", "add_to_campaign", "Add promoters to a campaign"),
  action("assignParentToPromoters", "assign_parent", "Give promoters a parent"),
] as const;

/** What can be done with batches. The order is that in which a path is matched. */
const batchApi = [
  route({
    operationId: "listBatchProcesses",
    method: "GET",
    path: "/batch_processes",
    summary: "List batches, newest first",
    description: "Without a filter those that are not finished.",
    query: { ...statusFilter, ...page },
    replies: { 200: z.array(batchProcess) },
  }),
  route({
    operationId: "getBatchProcessProgress",
    method: "GET",
    path: "/batch_processes/progress",
    summary: "Get the progress of batches",
    description: "Batch id to whole percent; without a filter those that are not finished.",
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
    summary: "What became of each id of a batch",
    own: true,
    query: {
      "filters[outcome]": itemOutcome,
      cursor: z.string().describe("The next_cursor of the page before"),
      per_page: page.per_page,
    },
    replies: { 200: batchItems },
    errors: ["not_found", "invalid_param"],
  }),
  move("stopBatchProcess", "stop", "Begin nothing more of a batch"),
  move("resumeBatchProcess", "resume", "Go on with a stopped batch"),
  move("retryBatchProcess", "retry", "Run the failed ids of a finished batch again"),
  route({
    operationId: "undoBatchProcess",
    method: "POST",
    path: "/batch_processes/{id}/undo",
    summary: "Undo an archive batch",
    description: "Brings those back whom the batch archived and nobody has restored since, in a batch of its own.",
    own: true,
    query: dryRunFlag,
    headers: idempotent,
    replies: { 200: batchProcess, 202: batchProcess },
    errors: ["not_found", "wrong_state", "invalid_param", ...ofBodies, ...ofKeys],
  }),
] as const;

/** Reading and writing promoters. */
const promoterApi = [
  route({
    operationId: "getPromoters",
    method: "GET",
    path: "/promoters",
    summary: "List promoters, newest first",
    description: "Archived ones only with filters[archived].",
    query: {
      q: z.string().describe("Part of the address, the name, the website or a ref token"),
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
    summary: "One promoter, by id or by the value that find_by names",
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
    errors: ["invalid_record", "not_found", "missing_param", ...ofBodies],
  }),
  route({
    operationId: "updatePromoter",
    method: "PUT",
    path: "/promoters/{id}",
    summary: "Change a promoter",
    body: promoterChanges,
    replies: { 200: promoter },
    errors: ["invalid_record", "not_found", ...ofBodies],
  }),
] as const;

/** Every call that is served. */
export const api: readonly Route[] = [...actionApi, ...actionApi.map(dryRun), ...batchApi, ...promoterApi];

export type ActionOperationId = (typeof actionApi)[number]["operationId"];
export type BatchOperationId = (typeof batchApi)[number]["operationId"];
export type PromoterOperationId = (typeof promoterApi)[number]["operationId"];
