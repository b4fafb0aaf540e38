import { HTTPException } from "hono/http-exception";
import * as z from "zod";
import { isFinished } from "../batch.ts";
import type { Submitted } from "../batches.ts";
import { invalidRequest, messageOf, ReinstateError } from "../errors.ts";
import type { Host } from "../host.ts";
import { takeIn } from "../intake/take-in.ts";
import { paramsOf } from "../intake.ts";
import { batchBody } from "./batch-body.ts";
import { bodyParts, decodeUtf8, readBody } from "./body.ts";
import { type KeyedRequest, keyedRequest } from "./idempotency.ts";
import { problem } from "./problem.ts";
import { parsed } from "./query.ts";

/** Bytes of a JSON body at most. */
const jsonLimit = 8 * 1024 * 1024;

/** Items that must be settled before a stop rule can end a batch, where the request does not say. */
const settledFirst = 100;

const rate = z.number().min(0).max(1);
const count = z.int().min(0);

const head = {
  operation: z.string(),
  target: z.enum(["local", "upstream"]).default("local"),
  account: z.string().default(""),
};

const newBatch = z.strictObject({
  ...head,
  params: z.record(z.string(), z.unknown()).default({}),
  items: z.array(z.unknown()).max(500_000).optional(),
  /** Instead of items. Validated by the operation's own schema alone, because a record would ignore the key `__proto__`. */
  filter: z.unknown().optional(),
  dry_run: z.boolean().default(false),
  stop_rule: z.strictObject({ max_failure_rate: rate, after: count.default(settledFirst) }).optional(),
});

const numberText = z
  .string()
  .regex(/^\d+(\.\d+)?$/, "must be a number")
  .transform(Number);

const streamQuery = z.strictObject({
  ...head,
  params: z
    .string()
    .transform((text, { issues }) => {
      try {
        return JSON.parse(text) as unknown;
      } catch (error) {
        issues.push({ code: "custom", message: `is not JSON: ${messageOf(error)}`, input: text });
        return z.NEVER;
      }
    })
    .optional(),
  dry_run: z.enum(["true", "false"]).default("false"),
  max_failure_rate: numberText.pipe(rate).optional(),
  after: numberText.pipe(count).optional(),
  column: z.string().min(1).optional(),
});

/** Answers `POST /v1/batches`: the items in a JSON body, or streamed as NDJSON or CSV with all else in the query. */
export function createBatchRoute(host: Host, { streamLimit }: { streamLimit: number }) {
  return async (request: Request, actor: string): Promise<Response> => {
    const encoding = request.headers.get("content-encoding") ?? "identity";
    if (!/^identity$/i.test(encoding.trim())) {
      throw unsupported(`The body must not be encoded (it is ${encoding})`, { "accept-encoding": "identity" });
    }
    const keyed = keyedRequest(request, actor);
    const format = formatOf(request.headers.get("content-type") ?? "application/json");
    const batch =
      format === "json"
        ? await fromJson(host, request, actor, keyed)
        : await fromStream(host, request, actor, keyed, { format, limit: streamLimit });
    return Response.json(batchBody(batch), {
      status: isFinished(batch.status) ? 201 : 202,
      headers: { location: `/v1/batches/${batch.id}`, ...(batch.replayed && { "idempotency-replayed": "true" }) },
    });
  };
}

async function fromJson(
  host: Host,
  request: Request,
  actor: string,
  keyed: KeyedRequest | undefined,
): Promise<Submitted> {
  // What stands there by mistake would be left out in silence: a dry run would be a real one.
  const [misplaced] = new URL(request.url).searchParams.keys();
  if (misplaced !== undefined) {
    throw misused(misplaced, "stands in the query; in a JSON request everything stands in the body");
  }
  const body = await readBody(request, jsonLimit).catch((error: unknown) => {
    if (!ReinstateError.is(error, "body_too_large")) throw error;
    throw new ReinstateError("body_too_large", `${error.message}; ${streaming}`);
  });
  keyed?.update(body);
  const { dry_run, stop_rule, items, filter, ...given } = parsed(newBatch, jsonOf(body));
  if ((items === undefined) === (filter === undefined)) {
    throw misused("items", items === undefined ? "is required, or a filter" : "cannot stand beside a filter");
  }
  const batch = {
    ...given,
    actor,
    dryRun: dry_run,
    ...(stop_rule && { stopRule: { maxFailureRate: stop_rule.max_failure_rate, after: stop_rule.after } }),
    ...(keyed && { idempotency: keyed.end() }),
  };
  return items ? host.batches.submit({ ...batch, items }) : host.batches.submitFiltered({ ...batch, filter });
}

const streaming =
  "any number of items can be streamed: POST /v1/batches?operation=… with application/x-ndjson or text/csv as the body";

async function fromStream(
  host: Host,
  request: Request,
  actor: string,
  keyed: KeyedRequest | undefined,
  { format, limit }: { format: "ndjson" | "csv"; limit: number },
): Promise<Submitted> {
  const query = parsed(streamQuery, Object.fromEntries(new URL(request.url).searchParams));
  const { operation: name, target, account, params, column, max_failure_rate, after } = query;
  if (after !== undefined && max_failure_rate === undefined) throw misused("after", "needs max_failure_rate");
  if (column !== undefined && format !== "csv") throw misused("column", "is for text/csv");
  const operation = host.batches.operation(name, target);
  // Before a long upload, not after it.
  paramsOf(operation, params);
  const intake = await takeIn(operation, passing(bodyParts(request, limit), keyed), { format, column });
  try {
    return await host.batches.submitIntake(
      {
        ...{ operation: name, target, account, params, actor, dryRun: query.dry_run === "true" },
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

function formatOf(type: string): "json" | "ndjson" | "csv" {
  const [media = ""] = type.toLowerCase().split(";");
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

function unsupported(detail: string, headers: Record<string, string> = {}): HTTPException {
  return new HTTPException(415, { res: problem(415, "unsupported-media-type", detail, { headers }) });
}

function misused(path: string, message: string): ReinstateError {
  return invalidRequest({ path, message });
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(body) ?? "");
  } catch (error) {
    throw new ReinstateError("invalid_request", `The body is not JSON: ${messageOf(error)}`);
  }
}
