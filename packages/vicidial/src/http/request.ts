import { createHash } from "node:crypto";
import { type Request as BatchRequest, ReinstateError } from "@reinstate/batch-core";
import { findFlags, isIdempotencyKey, readSafetyFlags } from "@reinstate/batch-core/http";
import type { Verb } from "../leads/move-types.ts";
import { JsonFault } from "./lenient-json/cursor.ts";
import { parseObject } from "./lenient-json/parse-object.ts";
import { type JsonNode, type JsonValue, toText } from "./lenient-json/value.ts";
import type { ErrorReason } from "./reply-dialects.ts";

/** A valid request. The ids are distinct, exact and in the order of the body. */
export interface LeadsRequest {
  insert: boolean;
  update: boolean;
  delete: boolean;
  ids: bigint[];
}

/** The first kind of fault in a request, with the offending values as JSON texts. */
export interface Refusal {
  reason: ErrorReason;
  /** The message, if the reason has no text of its own. */
  message?: string;
  offenders?: string[];
}

const flags: Record<Verb, ("insert_leads" | "update_leads" | "delete_leads")[]> = {
  dearchive: ["insert_leads", "delete_leads"],
  archive: ["insert_leads", "update_leads", "delete_leads"],
};

/**
 * Parses and checks the body of a call in the documented order. Returns the first kind of fault, with every value at fault.
 *
 * @throws ReinstateError `invalid_request` for a safety flag, because the body supports none.
 */
export function readRequest(verb: Verb, text: string, leadLimit: number): LeadsRequest | Refusal {
  let members: Map<string, JsonNode>;
  const names: string[] = [];
  try {
    members = parseObject(text, (name) => names.push(name));
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    return { reason: "other", message: error.message };
  }
  readSafetyFlags({ place: "body", fields: findFlags(names.map((name) => [name, undefined])) });
  const values = { insert_leads: false, update_leads: false, delete_leads: false };
  for (const flag of flags[verb]) {
    const node = members.get(flag);
    if (node?.kind !== "boolean") return { reason: flag };
    values[flag] = node.value;
  }
  const list = members.get("lead_ids") ?? { kind: "null" };
  if (list.kind === "null" || list.kind === "undefined") return { reason: "empty" };
  if (list.kind !== "array") return { reason: "other", message: notAnArray(list) };
  const ids: bigint[] = [];
  const offenders: string[] = [];
  for (const item of list.items) {
    if (item.kind === "integer") ids.push(item.value);
    else offenders.push(toText(item));
  }
  if (offenders.length > 0) return { reason: "integers", offenders };
  if (ids.length === 0) return { reason: "empty" };
  if (ids.length > leadLimit) return { reason: "exceed" };
  const seen = new Set<bigint>();
  const repeated = new Set(ids.filter((id) => seen.size === seen.add(id).size));
  if (repeated.size > 0) return { reason: "duplicates", offenders: [...repeated].map(String) };
  return {
    insert: values.insert_leads,
    update: values.update_leads,
    delete: values.delete_leads,
    ids,
  };
}

export const isRefusal = (checked: LeadsRequest | Refusal): checked is Refusal => "reason" in checked;

function notAnArray(node: JsonNode & JsonValue): string {
  const { path, line, position } = node;
  const type = "System.Collections.Generic.List`1[System.Int64]";
  return `Error converting value ${toText(node)} to type '${type}'. Path '${path}', line ${line}, position ${position}.`;
}

/**
 * Returns the scope, the key and the digest of the body for an `Idempotency-Key`.
 *
 * @throws ReinstateError `invalid_request` for a malformed key.
 */
export function readIdempotency(
  key: string,
  { actor, operation, body }: { actor: string; operation: string; body: string },
): NonNullable<BatchRequest["idempotency"]> {
  if (!isIdempotencyKey(key)) {
    const message = "The header Idempotency-Key must be 1 to 255 printable ASCII characters";
    throw new ReinstateError("invalid_request", message);
  }
  return { scope: `${actor} ${operation}`, key, digest: createHash("sha256").update(body).digest("hex") };
}
