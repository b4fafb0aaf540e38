import {
  type CallerOptions,
  createCaller,
  type ReadReply,
  toErrorKind,
  type VendorErrorKind,
  type VendorRefusal,
} from "@reinstate/batch-core/client";
import * as z from "zod";
import {
  type ArchiveReply,
  type ArchiveRequest,
  archiveReply,
  type DearchiveReply,
  type DearchiveRequest,
  dearchiveReply,
} from "./schemas.ts";

export { VendorError } from "@reinstate/batch-core/client";
export type { ArchiveReply, ArchiveRequest, DearchiveReply, DearchiveRequest, ErrorReply } from "./schemas.ts";

/** Options of the client. */
export interface VicidialClientOptions {
  /** The URL without `/vicidial`, as `https://server`. */
  baseUrl: string;
  apiKey: string;
  /** Replaces the global `fetch`, for tests and for servers with a private certificate. */
  fetch?: CallerOptions["fetch"];
  /** Milliseconds until an answer must be there in full. Default 30,000. */
  timeoutMs?: number;
  /** A circuit breaker to share between the clients of one server. Default: a new one. */
  breaker?: CallerOptions["breaker"];
}

/** Options of one call. */
export interface CallOptions {
  signal?: AbortSignal;
  /** A gateway replays the first answer to a repeated request with the same key. The vendor ignores this header. */
  idempotencyKey?: string;
}

/** A typed client of the leads API. */
export interface VicidialClient {
  leads: {
    /**
     * Moves at most 500 distinct leads from the archive to the live table. If fewer were deleted than selected, the copies of some
     * leads differ and were kept. Source: TForge, "VICIdial API - Lead Dearchive".
     *
     * @throws VendorError whose `message` is the vendor's; its `body` lists the leads at fault in `lead_ids`.
     */
    dearchive(request: DearchiveRequest, options?: CallOptions): Promise<DearchiveReply>;
    /** Moves leads back to the archive. `update_leads` overwrites differing copies there. Source: TForge, "VICIdial API - Lead Archive". */
    archive(request: ArchiveRequest, options?: CallOptions): Promise<ArchiveReply>;
  };
}

/** Creates a client of TForge's leads API, or of a gateway that serves it. */
export function createVicidialClient({ apiKey, ...options }: VicidialClientOptions): VicidialClient {
  const caller = createCaller({
    ...options,
    vendor: "VICIdial",
    headers: { authorization: `Key=${apiKey}` },
    readRefusal,
  });

  function call<Answer>(
    path: string,
    body: object,
    answer: z.ZodType<Answer>,
    { signal, idempotencyKey }: CallOptions = {},
  ): Promise<Answer> {
    const headers = idempotencyKey !== undefined && { headers: { "idempotency-key": idempotencyKey } };
    return caller({ method: "POST", path, body, answer, ...headers, signal });
  }

  return {
    leads: {
      dearchive: (request, options) => call("/vicidial/leads/dearchive", request, dearchiveReply, options),
      archive: (request, options) => call("/vicidial/leads/archive", request, archiveReply, options),
    },
  };
}

/** The vendor's own message and code, in any of its dialects. */
const refusalBody = z
  .object({ message: z.unknown(), error: z.unknown(), http_code: z.unknown(), status_code: z.unknown() })
  .partial()
  .catch({});

function readRefusal(reply: ReadReply, { name }: { name: string }): VendorRefusal | undefined {
  const { status } = reply;
  if (status === 200) return undefined;
  const { message, error, http_code, status_code } = refusalBody.parse(reply.body);
  const text = message ?? error;
  const code = http_code ?? status_code;
  return {
    kind: toLeadsErrorKind(reply),
    message: typeof text === "string" ? text : `${name}: HTTP ${status}`,
    code: typeof code === "number" ? code : status,
  };
}

/** Returns the kind of an error. 449 and 440 are "any other error", after which some leads may have been moved. */
function toLeadsErrorKind(reply: ReadReply): VendorErrorKind {
  return reply.status === 449 || reply.status === 440 ? "unknown_outcome" : toErrorKind(reply);
}
