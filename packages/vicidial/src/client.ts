import {
  type CallerOptions,
  createCaller,
  type ReadReply,
  toErrorKind,
  VendorError,
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

export type { ArchiveReply, ArchiveRequest, DearchiveReply, DearchiveRequest, ErrorReply } from "./schemas.ts";
export { VendorError };

export interface VicidialClientOptions {
  /** What stands before `/vicidial`: `https://server`. */
  baseUrl: string;
  apiKey: string;
  /** The test seam, and the place for a CA file of a server with a certificate of its own. */
  fetch?: CallerOptions["fetch"];
  /** Milliseconds until an answer must be there in full. Default 30,000. */
  timeoutMs?: number;
  /** Shared by the clients of one server. Default: one of this client's own. */
  breaker?: CallerOptions["breaker"];
}

export interface CallOptions {
  signal?: AbortSignal;
  /** A gateway answers the same request under the same key as the first time; the vendor itself knows no such header. */
  idempotencyKey?: string;
}

export interface VicidialClient {
  leads: {
    /**
     * Moves leads from the archive to the live table, at most 500, none twice. Fewer deleted than selected means that the
     * copies of some leads differ and were kept. Throws a `VendorError`: its `message` is the vendor's, its `body` lists
     * the leads at fault in `lead_ids`. Source: TForge, "VICIdial API - Lead Dearchive".
     */
    dearchive(request: DearchiveRequest, options?: CallOptions): Promise<DearchiveReply>;
    /** The other way; `update_leads` overwrites the archive's copies. Source: TForge, "VICIdial API - Lead Archive". */
    archive(request: ArchiveRequest, options?: CallOptions): Promise<ArchiveReply>;
  };
}

/** A client of TForge's leads API, or of a gateway that serves it. */
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
  const said = message ?? error;
  const code = http_code ?? status_code;
  return {
    kind: toLeadsErrorKind(reply),
    message: typeof said === "string" ? said : `${name}: HTTP ${status}`,
    code: typeof code === "number" ? code : status,
  };
}

/** 449 and 440 are "any other error", which may come after some of the leads were moved. */
function toLeadsErrorKind(reply: ReadReply): VendorErrorKind {
  return reply.status === 449 || reply.status === 440 ? "unknown_outcome" : toErrorKind(reply);
}
