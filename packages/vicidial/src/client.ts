import { createTransport, type Reply, type TransportOptions, VendorError } from "@reinstate/batch-core/client";
import type * as z from "zod";
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
  fetch?: TransportOptions["fetch"];
  /** Milliseconds until an answer must be there in full. Default 30,000. */
  timeoutMs?: number;
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
  const transport = createTransport({
    ...options,
    headers: { authorization: `Key=${apiKey}`, "content-type": "application/json" },
  });

  async function call<Answer>(
    path: string,
    request: object,
    schema: z.ZodType<Answer>,
    { signal, idempotencyKey }: CallOptions = {},
  ): Promise<Answer> {
    const body = JSON.stringify(request);
    const reply = await transport.call({
      ...{ method: "POST", path, body },
      ...(idempotencyKey !== undefined && { headers: { "idempotency-key": idempotencyKey } }),
      ...(signal && { signal }),
    });
    const given = parsed(reply.text);
    if (reply.status !== 200) throw errorOf(path, reply, given);
    const answer = schema.safeParse(given);
    if (answer.success) return answer.data;
    const details = { status: 200, requestId: reply.requestId, body: given };
    throw new VendorError("bad_reply", `POST ${path}: the answer is not the vendor's`, details);
  }

  return {
    leads: {
      dearchive: (request, options) => call("/vicidial/leads/dearchive", request, dearchiveReply, options),
      archive: (request, options) => call("/vicidial/leads/archive", request, archiveReply, options),
    },
  };
}

function errorOf(path: string, reply: Reply, body: unknown): VendorError {
  const { status, requestId, retryAfterMs } = reply;
  const { message, error, http_code, status_code } = (typeof body === "object" && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const said = message ?? error;
  const code = http_code ?? status_code;
  const details = { status, requestId, body, retryAfterMs, code: typeof code === "number" ? code : status };
  const text = typeof said === "string" ? said : `POST ${path}: HTTP ${status}`;
  if (status === 429) return new VendorError("rate_limited", text, details);
  if (status === 408 || (status > 501 && status < 505)) return new VendorError("unavailable", text, details);
  // "Any other error", 500 or 449, may have come after some of the leads were moved.
  if (status === 449 || status === 440 || status >= 500) return new VendorError("unknown_outcome", text, details);
  if (status >= 400) return new VendorError("rejected", text, details);
  return new VendorError("bad_reply", text, details);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
