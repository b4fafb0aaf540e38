import {
  type ApiAnswer,
  type ApiRoute,
  assembleOpenApi,
  createSchemaWriter,
  type ErrorAnswer,
  type Json,
  writeErrors,
} from "@reinstate/batch-core/openapi";
import * as z from "zod";
import type { Verb } from "../leads/move.ts";
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
import { type Dialect, dialects, type Reason } from "./dialects.ts";

const writer = createSchemaWriter({
  DearchiveRequest: dearchiveRequest,
  DearchiveReply: dearchiveReply,
  ArchiveRequest: archiveRequest,
  ArchiveReply: archiveReply,
  Error: errorReply,
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

const retryLater = { "Retry-After": z.int().describe("Seconds") };
const batchHeaders = {
  "X-Reinstate-Batch": z.int().describe("The batch that the call made"),
  "Idempotency-Replayed": z.literal("true").describe("The first answer to this key"),
};

/** Returns the errors of a verb in a dialect, with an example of each. */
function toErrors({ statuses, messages, lists }: Dialect): Record<Exclude<Reason, "processed">, ErrorAnswer> {
  const reasons = Object.keys(statuses).filter((reason) => reason !== "processed") as Exclude<Reason, "processed">[];
  const body = (reason: Exclude<Reason, "processed">) => {
    const list = lists[reason];
    const isBlamed = reason === "missing" || reason === "duplicates" || reason === "exceed";
    const offenders = isBlamed ? [101] : [];
    return {
      message: reason === "other" ? "Lock wait timeout exceeded; try restarting transaction" : messages[reason],
      ...Object.fromEntries((list?.counts ?? []).map((name) => [name, offenders.length])),
      ...(list && { [list.ids]: offenders }),
    };
  };
  return Object.fromEntries(
    reasons.map((reason) => [reason, { status: statuses[reason], body: body(reason) }]),
  ) as unknown as ReturnType<typeof toErrors>;
}

/** Answers with statuses of HTTP itself, in the shape of the vendor's error. */
const httpErrors: Record<string, ApiAnswer> = {
  "413": { description: "the body is too large", body: { schema: errorReply } },
  "415": { description: "the body is compressed", body: { schema: errorReply } },
  "429": { description: "too many requests at once", headers: retryLater, body: { schema: errorReply } },
  "503": { description: "a database is away, full or read-only", headers: retryLater, body: { schema: errorReply } },
};

function describeCall(verb: Verb, shared: Record<string, ApiAnswer>): ApiRoute {
  const { summary, schemas, examples } = calls[verb];
  const errors = toErrors(dialects.current[verb]);
  const names = Object.keys(errors).filter((name) => verb === "archive" || name !== "update_leads");
  return {
    operationId: `${verb}Leads`,
    method: "POST",
    path: `/vicidial/leads/${verb}`,
    summary,
    description: "Moves up to 500 leads, all or none, between the live table and the archive.",
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
    body: { schema: schemas[0], examples: { two_leads: examples[0] } },
    answers: {
      "200": {
        description: "Moved",
        headers: batchHeaders,
        body: { schema: z.union([schemas[1], explainReply]), examples: { two_leads: examples[1] } },
      },
      ...writeErrors(errors, names as (keyof typeof errors)[], { schema: writer.reference("Error"), shared }),
      ...httpErrors,
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
    answers: {
      "200": {
        description: "SUCCESS or ERROR, and why",
        body: line("SUCCESS: lead_dearchive LEAD DE-ARCHIVED: 6666|274071|1|1"),
      },
      "413": { description: "the body is too large", body: line("ERROR: …") },
      "415": { description: "the body is compressed", body: line("ERROR: …") },
      "429": { description: "too many requests at once", headers: retryLater, body: line("ERROR: …") },
      "503": { description: "a database is away, full or read-only", headers: retryLater, body: line("ERROR: …") },
    },
    more: { security: [{}] },
  };
}

const line = (example: string) => ({
  schema: z.string(),
  mediaTypes: ["text/html"],
  examples: { line: example },
});

/** Returns the OpenAPI 3.1 document of the server with default options. */
export function openApi(): Json {
  const answers: Record<string, ApiAnswer> = {};
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
      describeCall("dearchive", answers),
      describeCall("archive", answers),
      describeNonAgentApi("GET"),
      describeNonAgentApi("POST"),
    ],
    writer,
    schemas: {
      ...writer.writeNamed("output"),
      DearchiveRequest: writer.writeNamed("input").DearchiveRequest,
      ArchiveRequest: writer.writeNamed("input").ArchiveRequest,
    },
    answers,
  });
}
