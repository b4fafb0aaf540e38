import type { ItemStream } from "../../items/item-stream.ts";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { CommandFailure, type Failure, unreachable } from "../terminal/failure.ts";
import type { BatchReply, OperationReply, ProblemReply } from "./replies.ts";

/** `/v1`, in this process or on a server. Commands are written once, against its paths. */
export interface Service {
  /** The place of the work, for the output: `this process, on ./data/reinstate.db`. */
  readonly place: string;
  /** The address of the server; undefined if the work is done in this process. */
  readonly server: string | undefined;
  get<Reply>(path: string): Promise<Reply>;
  post<Reply>(path: string, body?: object): Promise<Reply>;
  /** Creates a batch of streamed items. */
  submit(
    query: Record<string, string>,
    items: Pick<ItemStream, "format" | "source">,
    signal: AbortSignal,
  ): Promise<BatchReply>;
  /** Opens a stream, such as a report. */
  open(path: string, options?: { headers?: Record<string, string>; signal?: AbortSignal }): Promise<Response>;
  operations(): Promise<OperationReply[]>;
  /** Runs a batch in this process, or lets the server do it. `stop` finishes the chunks in progress. */
  run(id: number): Promise<{ stop(): Promise<void> }>;
  close(): Promise<void>;
}

export interface ServiceParts extends Pick<Service, "place" | "server" | "run" | "close"> {
  /** Answers a request for a path of `/v1`. */
  fetch(path: string, init: RequestInit & { duplex?: "half" }): Promise<Response>;
  /** Returns the latest error that this process has logged. */
  findFault?(): string | undefined;
}

/** A reply of `/v1` that is a problem. */
export class ProblemError extends CommandFailure {
  readonly problem: ProblemReply;

  constructor(problem: ProblemReply, server: string | undefined, fault?: string) {
    super(toFailure(problem, server, fault));
    this.problem = problem;
  }
}

const mediaTypes = { csv: "text/csv", ndjson: "application/x-ndjson" };

export function createService({ fetch, findFault, ...parts }: ServiceParts): Service {
  async function call(path: string, init: RequestInit & { duplex?: "half" }): Promise<Response> {
    const response = await fetch(path, init);
    if (response.ok) return response;
    throw new ProblemError(await readProblem(response), parts.server, findFault?.());
  }

  const json = async <Reply>(response: Response) => (await response.json()) as Reply;

  return {
    ...parts,
    get: async (path) => json(await call(path, { method: "GET" })),
    async post(path, body) {
      const headers = { "content-type": "application/json" };
      return json(await call(path, { method: "POST", ...(body && { headers, body: JSON.stringify(body) }) }));
    },
    async submit(query, { format, source }, signal) {
      const body = ReadableStream.from(source);
      const headers = { "content-type": mediaTypes[format] };
      const path = `/v1/batches?${new URLSearchParams(query)}`;
      return json(await call(path, { method: "POST", headers, body, duplex: "half", signal }));
    },
    open: (path, { headers, signal } = {}) =>
      call(path, { method: "GET", ...(headers && { headers }), ...(signal && { signal }) }),
    operations: async () => (await json<{ operations: OperationReply[] }>(await call("/v1/operations", {}))).operations,
  };
}

async function readProblem(response: Response): Promise<ProblemReply> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as ProblemReply;
    if (typeof body.detail === "string" && typeof body.type === "string") return { ...body, status: response.status };
  } catch {
    // Another program answered.
  }
  return { type: "unknown", status: response.status, detail: `The answer is no reply of Reinstate` };
}

function toFailure(
  { type, status, detail, errors = [] }: ProblemReply,
  server: string | undefined,
  fault: string | undefined,
): Failure {
  const name = type.split(":").at(-1);
  // A single issue is the detail itself.
  const issues = errors.length > 1 ? errors.map(({ path, message }) => `${path}: ${message}`) : [];
  if (status === 401) {
    const fix = "put a valid admin key into REINSTATE_KEY or REINSTATE_KEY_FILE (reinstate keys create --vendor admin)";
    return unreachable(`${server ?? "The ledger"} refused the key`, detail, fix).failure;
  }
  if (status === 403) {
    const fix = "use an admin key without access=read (reinstate keys create --vendor admin)";
    return unreachable(`${server ?? "The ledger"} refused the call`, detail, fix).failure;
  }
  if (name === "unknown" || name === "not-found") {
    const why = `it answered with the status ${status}, and not as /v1 of Reinstate does`;
    return unreachable(`${server} is no Reinstate server`, why, "check the address in --server").failure;
  }
  if (status === 404) {
    return { what: detail, fix: "reinstate batches list shows them", status: exitStatus.wrongUse };
  }
  if (status === 429 || status === 503) {
    return unreachable("Not available now", fault ?? detail, "repeat the command in a few seconds").failure;
  }
  if (status >= 500) {
    if (server !== undefined) {
      return { what: detail, fix: "see the log of the server, and report it", status: exitStatus.unexpected };
    }
    const fix = "repeat the command; if it happens again, report it with this output";
    return { what: "Unexpected error", why: fault, fix, status: exitStatus.unexpected };
  }
  return { what: detail, details: issues, status: exitStatus.wrongUse };
}
