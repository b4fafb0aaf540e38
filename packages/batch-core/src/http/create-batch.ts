import { HTTPException } from "hono/http-exception";
import * as z from "zod";
import { isFinished } from "../batch/batch.ts";
import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import { readItems } from "../intake/read-items.ts";
import { parseParams } from "../intake/validate-items.ts";
import type { AnyOperation } from "../operation/operation.ts";
import {
  findFlags,
  findFlagsInJson,
  findFlagsInSlices,
  type SafetyFlag,
  withSafetyFlags,
} from "../safety-flags/safety-flags.ts";
import type { Submitted } from "../submission/request.ts";
import { type KeyedRequest, keyedRequest } from "./idempotency-key.ts";
import { parseJsonBody } from "./json.ts";
import { isObject, newBatch, settledFirst, streaming, streamQuery } from "./new-batch-schemas.ts";
import { parseInput, readOnce } from "./parse-query.ts";
import { problem } from "./problem.ts";
import { bodyParts, readBody } from "./read-body.ts";
import { batchBody } from "./representations.ts";
import type { UncheckedCall } from "./safety-flags.ts";
import { jsonLimit } from "./v1-limits.ts";

/** A call that creates a batch: its JSON body, or the format of the items that are streamed as its body. */
interface NewBatchCall {
  keyed: KeyedRequest | undefined;
  body: { format: "json"; json: unknown } | { format: "ndjson" | "csv" };
}

interface Creation {
  host: Host;
  request: Request;
  actor: string;
  flags: Flags;
  streamLimit: number;
}

/** Reads `POST /v1/batches`: the items in a JSON body, or streamed as NDJSON or CSV with all else in the query. */
export async function readNewBatch(request: Request, actor: string): Promise<UncheckedCall<NewBatchCall>> {
  const keyed = keyedRequest(request, actor);
  const format = readFormat(request.headers.get("content-type") ?? "application/json");
  const { searchParams } = new URL(request.url);
  if (format === "json") {
    const json = await readNewJson(request, searchParams, keyed);
    const fields = await findFlagsInSlices(json);
    return {
      input: { keyed, body: { format, json } },
      parts: [{ place: "body", fields, supported: ["dry_run", guardParam] }],
    };
  }
  return {
    input: { keyed, body: { format } },
    parts: [
      { place: "query", fields: findFlags(searchParams), supported: ["dry_run"] },
      ...searchParams.getAll("params").map((text) => ({
        place: "query" as const,
        fields: findFlagsInParams(text),
        supported: [guardParam],
      })),
    ],
  };
}

/** Creates the batch of a call and answers with it. */
export async function createBatch(creation: Creation, { keyed, body }: NewBatchCall): Promise<Response> {
  const batch = await (body.format === "json"
    ? fromJson(creation, body.json, keyed)
    : fromStream(creation, body.format, keyed));
  return batchResponse(batch);
}

/** Builds the response with a new batch. */
export function batchResponse(batch: Submitted): Response {
  return Response.json(batchBody(batch), {
    status: isFinished(batch.status) ? 201 : 202,
    headers: { location: `/v1/batches/${batch.id}`, ...(batch.replayed && { "idempotency-replayed": "true" }) },
  });
}

async function readNewJson(
  request: Request,
  query: URLSearchParams,
  keyed: KeyedRequest | undefined,
): Promise<unknown> {
  // A misplaced parameter would be ignored silently, and a dry run would be a real one.
  const [misplaced] = query.keys();
  if (misplaced !== undefined) {
    throw misused(misplaced, "stands in the query; in a JSON request everything stands in the body");
  }
  const body = await readBody(request, jsonLimit).catch((error: unknown) => {
    if (!ReinstateError.is(error, "body_too_large")) throw error;
    throw new ReinstateError("body_too_large", `${error.message}; ${streaming}`);
  });
  keyed?.update(body);
  return parseJsonBody(body);
}

async function fromJson(
  { host, request, actor, flags }: Creation,
  json: unknown,
  keyed: KeyedRequest | undefined,
): Promise<Submitted> {
  const { dry_run, stop_rule, items, filter, ...fields } = parseInput(newBatch, withDryRun(json, flags));
  fields.params = withGuard(host.batches.operation(fields.operation, fields.target), fields.params, flags);
  if ((items === undefined) === (filter === undefined)) {
    throw misused("items", items === undefined ? "is required, or a filter" : "cannot stand beside a filter");
  }
  // No batch is accepted for a client that disconnected while its body was read.
  request.signal.throwIfAborted();
  const batch = {
    ...fields,
    actor,
    dryRun: dry_run,
    ...(stop_rule && { stopRule: { maxFailureRate: stop_rule.max_failure_rate, after: stop_rule.after } }),
    ...(keyed && { idempotency: keyed.end() }),
  };
  return items ? host.batches.submit({ ...batch, items }) : host.batches.submitFiltered({ ...batch, filter });
}

/** The one safety flag that is a param of operations. */
const guardParam = "params.consent_guard";

type Flags = Readonly<Record<string, boolean>>;

/** Returns a body with its flag `dry_run` as a boolean. */
export const withDryRun = (body: unknown, { dry_run }: Flags) =>
  isObject(body) ? withSafetyFlags(body, { dry_run }) : body;

/** The params with the guard as a boolean. Throws `invalid_request` if the operation has no such param. */
function withGuard<Params>(operation: AnyOperation, params: Params, flags: Flags): Params {
  const name: SafetyFlag = "consent_guard";
  const isOn = flags[guardParam];
  if (isOn === undefined || !isObject(params)) return params;
  if (!(operation.params instanceof z.ZodObject) || !(name in operation.params.shape)) {
    throw misused(guardParam, `is not supported by ${operation.name}; remove it`);
  }
  return withSafetyFlags(params, { [name]: isOn }) as Params;
}

/** A text that is not JSON is rejected by the schema of the query. */
function findFlagsInParams(text: string) {
  try {
    return findFlagsInJson(text, { root: "params" });
  } catch {
    return [];
  }
}

async function fromStream(
  { host, request, actor, flags, streamLimit }: Creation,
  format: "ndjson" | "csv",
  keyed: KeyedRequest | undefined,
): Promise<Submitted> {
  const { searchParams } = new URL(request.url);
  const query = parseInput(streamQuery, withDryRun(readOnce(searchParams), flags));
  const { operation: name, target, account, note, column, max_failure_rate, after } = query;
  if (after !== undefined && max_failure_rate === undefined) throw misused("after", "needs max_failure_rate");
  if (column !== undefined && format !== "csv") throw misused("column", "is for text/csv");
  const operation = host.batches.operation(name, target);
  const params = withGuard(operation, query.params, flags);
  // Checked before a long upload.
  parseParams(operation, params);
  await host.batches.checkAccount(query);
  const intake = await readItems(operation, passing(bodyParts(request, streamLimit), keyed), { format, column });
  try {
    return await host.batches.submitIntake(
      {
        operation: name,
        target,
        account,
        params,
        actor,
        note,
        content: query.content,
        dryRun: query.dry_run,
        prepared: query.prepared,
        again: query.again,
        ...(max_failure_rate !== undefined && {
          stopRule: { maxFailureRate: max_failure_rate, after: after ?? settledFirst },
        }),
        ...(keyed && { idempotency: keyed.end() }),
      },
      intake,
    );
  } finally {
    intake.close();
  }
}

async function* passing(parts: AsyncIterable<Uint8Array>, keyed: KeyedRequest | undefined) {
  for await (const part of parts) {
    keyed?.update(part);
    yield part;
  }
}

function readFormat(type: string): "json" | "ndjson" | "csv" {
  const [media = "", ...params] = type.toLowerCase().split(";");
  const [, charset = "utf-8"] =
    /^\s*charset\s*=\s*"?([^"\s]*)/.exec(params.find((param) => /charset/.test(param)) ?? "") ?? [];
  // UTF-16 is found by its byte order mark.
  if (!/^(utf-?8|us-ascii|utf-?16(le|be)?)$/.test(charset)) {
    throw unsupported(`The charset must be utf-8, or utf-16 with a byte order mark (it is ${charset.slice(0, 100)})`);
  }
  const formats = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "text/csv": "csv",
  } as const;
  const format = (formats as Record<string, "json" | "ndjson" | "csv">)[media.trim()];
  if (format) return format;
  throw unsupported(
    `The body must be application/json, application/x-ndjson or text/csv (it is ${type.slice(0, 100)})`,
  );
}

function unsupported(detail: string): HTTPException {
  return new HTTPException(415, { res: problem(415, "unsupported-media-type", detail) });
}

function misused(path: string, message: string): ReinstateError {
  return invalidRequest({ path, message });
}
