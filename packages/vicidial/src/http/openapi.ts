import {
  type ApiAnswer,
  type ApiRoute,
  assembleOpenApi,
  type CallLimits,
  createSchemaWriter,
  type ErrorAnswer,
  type Examples,
  type Json,
  writeErrors,
} from "@reinstate/batch-core/openapi";
import * as z from "zod";
import type { Verb } from "../leads/move-types.ts";
import { type Options, vicidialOptions } from "../options.ts";
import {
  type ArchiveReply,
  archiveReply,
  archiveRequest,
  type DearchiveReply,
  dearchiveReply,
  dearchiveRequest,
  errorReply,
  explainReply,
} from "../schemas.ts";
import examples from "./examples.json" with { type: "json" };
import { httpFaults, retryLater, toHttpErrors } from "./http-faults.ts";
import { nonAgentBodyLimit } from "./non-agent-api.ts";
import { type DialectName, dialects, type ErrorReason, errorCauses, type ReplyDialect } from "./reply-dialects.ts";

const counter = z.int().min(0);

/** The reply of the paths for older clients, in their default dialects. */
const legacyReply = z
  .object({ message: z.string(), success: z.string(), http_code: z.int(), status_code: z.int() })
  .partial()
  .extend({
    select_count: counter,
    insert_count: counter,
    update_count: counter.optional(),
    delete_count: counter,
  });
const legacyError = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  http_code: z.int().optional(),
  status_code: z.int().optional(),
  lead_count: counter.optional(),
  lead_ids: z.array(z.unknown()).optional(),
  values: z.array(z.unknown()).optional(),
});

const writer = createSchemaWriter({
  DearchiveRequest: dearchiveRequest,
  DearchiveReply: dearchiveReply,
  ArchiveRequest: archiveRequest,
  ArchiveReply: archiveReply,
  Error: errorReply,
  LegacyReply: legacyReply,
  LegacyError: legacyError,
});

const dearchived: DearchiveReply = {
  message: dialects.current.dearchive.messages.processed,
  select_count: 2,
  insert_count: 2,
  delete_count: 2,
};
const archived: ArchiveReply = {
  message: dialects.current.archive.messages.processed,
  select_count: 2,
  insert_count: 2,
  update_count: 0,
  delete_count: 2,
};

/** The parts of the document that differ between the two calls. */
const calls = {
  dearchive: {
    summary: "Bring archived leads back",
    schemas: [dearchiveRequest, dearchiveReply],
    examples: [{ insert_leads: true, delete_leads: true, lead_ids: [101, 102] }, dearchived],
  },
  archive: {
    summary: "Archive leads",
    schemas: [archiveRequest, archiveReply],
    examples: [{ insert_leads: true, update_leads: false, delete_leads: true, lead_ids: [101, 102] }, archived],
  },
} as const;

const batchHeaders = {
  "X-Reinstate-Batch": z.int().describe("The batch that the call made"),
  "Idempotency-Replayed": z.literal("true").describe("The first answer to this key"),
};

/** Returns the errors of a verb in a dialect, with an example of each. */
function toErrors({ statuses, messages, lists, errorKey, codeKey }: ReplyDialect): Record<ErrorReason, ErrorAnswer> {
  const reasons = Object.keys(statuses).filter((reason) => reason !== "processed") as ErrorReason[];
  const body = (reason: ErrorReason) => {
    const list = lists[reason];
    const isBlamed = reason === "missing" || reason === "duplicates" || reason === "integers";
    const offenders = isBlamed ? [reason === "integers" ? "abc" : 101] : [];
    return {
      [errorKey]: reason === "other" ? "Lock wait timeout exceeded; try restarting transaction" : messages[reason],
      ...Object.fromEntries((list?.counts ?? []).map((name) => [name, offenders.length])),
      ...(list && { [list.ids]: offenders }),
      ...(codeKey !== undefined && { [codeKey]: statuses[reason] }),
    };
  };
  return Object.fromEntries(
    reasons.map((reason) => [reason, { status: statuses[reason], body: body(reason), cause: errorCauses[reason] }]),
  ) as unknown as ReturnType<typeof toErrors>;
}

/** A path of a call, with its dialect. */
interface CallPath {
  word: "leads" | "lead";
  /** Whether the path ends with the name of a customer, which is ignored. */
  customer: boolean;
}

const otherPaths: CallPath[] = [
  { word: "leads", customer: true },
  { word: "lead", customer: false },
  { word: "lead", customer: true },
];

/** The part of a document that its calls share, and the options that limit them. */
interface DocumentContext {
  answers: Record<string, ApiAnswer>;
  options: Pick<Options, "leadLimit" | "bodyLimit">;
}

/** Describes the call at a path for older clients, which has the dialect of its first word. */
function describeOtherPath(verb: Verb, { word, customer }: CallPath, context: DocumentContext): ApiRoute {
  const call = describeCall(verb, context, word === "lead" ? "L2" : "current");
  const suffix = `${word === "lead" ? "Legacy" : ""}${customer ? "ForCustomer" : ""}`;
  return {
    ...call,
    operationId: `${verb}Leads${suffix}`,
    path: `/vicidial/${word}/${verb}${customer ? "/{customer}" : ""}`,
    summary: `${call.summary}, at a path of older clients`,
    description: `${call.description} ${customer ? "The name of the customer is ignored. " : ""}New clients use /vicidial/leads/${verb}.`,
    parameters: {
      ...call.parameters,
      ...(customer && { path: { customer: z.string().describe("Any name") } }),
    },
    more: { deprecated: true },
  };
}

function describeCall(verb: Verb, { answers, options }: DocumentContext, name: DialectName = "current"): ApiRoute {
  const { summary, schemas, examples } = calls[verb];
  const isCurrent = name === "current";
  const dialect: ReplyDialect = dialects[name][verb];
  const errors = toErrors(dialect);
  const names = Object.keys(errors).filter((name) => verb === "archive" || name !== "update_leads");
  const prefix = isCurrent ? "" : `${name}.${verb}.`;
  const named = Object.fromEntries(Object.entries(errors).map(([reason, error]) => [prefix + reason, error]));
  const errorSchema = writer.reference(isCurrent ? "Error" : "LegacyError");
  const { message, ...counts } = examples[1];
  const success = isCurrent
    ? examples[1]
    : { [dialect.successKey]: dialect.messages.processed, ...counts, [dialect.codeKey ?? "http_code"]: 200 };
  return {
    operationId: `${verb}Leads`,
    method: "POST",
    path: `/vicidial/leads/${verb}`,
    summary,
    description:
      "Moves leads between the live table and the archive. No lead moves if one is missing or does not fit. " +
      "A lead whose copies differ, or that is on a call, stays, and the other leads move.",
    tag: "Leads",
    parameters: {
      query: { explain: z.boolean().describe("Only tell what would happen. Not part of the vendor's API") },
      header: {
        "Idempotency-Key": z
          .string()
          .min(1)
          .max(255)
          .describe("A repeat with the same key is answered as the first time. Not part of the vendor's API"),
      },
    },
    limits: { items: options.leadLimit, bodyBytes: options.bodyLimit },
    body: { schema: schemas[0], examples: { two_leads: examples[0] } },
    answers: {
      "200": {
        description: "Moved",
        headers: batchHeaders,
        body: {
          schema: z.union([isCurrent ? schemas[1] : legacyReply, explainReply]),
          examples: { two_leads: success },
        },
      },
      ...writeErrors(
        named,
        names.map((name) => prefix + name),
        { schema: errorSchema, shared: answers },
      ),
      ...toHttpErrors(dialect, errorSchema),
    },
  };
}

const nonAgentParameters = {
  function: z.literal("lead_dearchive"),
  source: z.string().min(2).max(20).describe("Who asks, for VICIdial's log"),
  user: z.string(),
  pass: z.string(),
  lead_id: z.string().regex(/^\d{1,11}$/),
  agent_user: z.string().optional(),
};

/** Describes VICIdial's own function, which answers in one line of text. */
function describeNonAgentApi(method: "GET" | "POST"): ApiRoute {
  return {
    operationId: method === "GET" ? "nonAgentApi" : "nonAgentApiByForm",
    method,
    path: "/vicidial/non_agent_api.php",
    tag: "VICIdial's own call",
    summary: "Bring one archived lead back, as VICIdial's own API does",
    description: "Values may also stand in a form body. A line that begins with ERROR says why nothing was done.",
    parameters: { query: nonAgentParameters },
    limits: { items: 1, ...(method === "POST" && { bodyBytes: nonAgentBodyLimit }) },
    answers: {
      "200": {
        description: "SUCCESS or ERROR, and why",
        body: line("SUCCESS: lead_dearchive LEAD DE-ARCHIVED: 6666|274071|1|1"),
      },
      "413": { description: httpFaults[413][0], body: line("ERROR: The request body is too large") },
      "415": { description: httpFaults[415][0], body: line("ERROR: The request body is compressed") },
      "429": {
        description: httpFaults[429][0],
        headers: retryLater,
        body: line("ERROR: Too many requests at once; try again"),
      },
      "503": {
        description: httpFaults[503][0],
        headers: retryLater,
        body: line("ERROR: A database or server cannot be reached"),
      },
    },
    more: { security: [{}] },
  };
}

const line = (example: string) => ({
  schema: z.string(),
  mediaTypes: ["text/html"],
  examples: { line: example },
});

/**
 * Returns the OpenAPI 3.1 document of the server. `settings`: the options with default values for those that are missing. `limits`:
 * those of every call of the server.
 */
export function openApi(settings: Partial<DocumentContext["options"]> = {}, limits?: CallLimits): Json {
  const answers: Record<string, ApiAnswer> = {};
  const context = { answers, options: { ...vicidialOptions.parse({}), ...settings } };
  return assembleOpenApi({
    info: {
      title: "VICIdial's leads API by TForge, as @reinstate/vicidial serves it",
      version: "1",
      description: "Moves leads between VICIdial's live table and its archive.",
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "Leads", description: "TForge's API" },
      { name: "VICIdial's own call", description: "The function lead_dearchive of non_agent_api.php" },
    ],
    security: [{ apiKey: [] }],
    securitySchemes: {
      apiKey: { type: "apiKey", in: "header", name: "Authorization", description: "`Key=…`" },
    },
    routes: [
      describeCall("dearchive", context),
      describeCall("archive", context),
      ...(["dearchive", "archive"] as const).flatMap((verb) =>
        otherPaths.map((path) => describeOtherPath(verb, path, context)),
      ),
      describeNonAgentApi("GET"),
      describeNonAgentApi("POST"),
    ],
    writer,
    examples: examples as Examples,
    limits,
    schemas: {
      ...writer.writeNamed("output"),
      DearchiveRequest: writer.writeNamed("input").DearchiveRequest,
      ArchiveRequest: writer.writeNamed("input").ArchiveRequest,
    },
    answers,
  });
}
