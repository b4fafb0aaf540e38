import { setImmediate } from "node:timers/promises";
import { type Refused, ReinstateError } from "@reinstate/batch-core";
import {
  decodeUtf8,
  type FlagField,
  findFlags,
  findFlagsInSlices,
  parseJsonInSlices,
  readBody,
  readSafetyFlags,
  withSafetyFlags,
} from "@reinstate/batch-core/http";
import type { Context } from "hono";
import type * as z from "zod";
import type { Options } from "../options.ts";
import { notFoundText } from "../promoters/rules.ts";
import { type NewPromoter, newPromoter, type PromoterChanges, profileInput, promoterChanges } from "../schemas.ts";
import {
  expandNames,
  isFromNames,
  lastText,
  type ParamMap,
  parseBoolean,
  parseBracketParams,
  parseFormInSlices,
  parseInteger,
  parseList,
  parseMap,
} from "./bracket-params.ts";
import { apiError, invalidRecord } from "./errors.ts";

/** The request's account, key id (`actor`) and request id, set before its handler runs. */
export interface Env {
  Variables: { account: string; actor: string; requestId: string };
}
/** The Hono context of a request. */
export type Ctx = Context<Env>;
/** Handles one call of the API. */
export type Handler = (c: Ctx) => Promise<Response>;

/** Reads the query of a request. @throws `invalid_request` for a safety flag, because reads support none. */
export function readQuery(request: Request): ParamMap {
  const { searchParams } = new URL(request.url);
  readSafetyFlags(
    { place: "header", fields: findFlags(request.headers) },
    { place: "query", fields: findFlags(searchParams) },
  );
  return parseBracketParams(searchParams);
}

/** The safety flags that a call supports. */
export interface FlagRules {
  /** `read`: `dry_run` may be in the query or the body; `path`: the path means a dry run. Default: no dry run. */
  dryRun?: "read" | "path";
  /** Parameters that contain data, whose inner names are not checked for flags. */
  data?: readonly string[];
}

/**
 * Reads the parameters of a request: its query, overridden by its JSON or form body. A JSON body other than an object has no
 * parameters. `dry_run` is a boolean or absent.
 *
 * @throws `malformed_json`, `body_too_large`, or `invalid_request` for an unsupported safety flag.
 */
export async function readParams(
  request: Request,
  { bodyLimit }: Options,
  { dryRun, data = [] }: FlagRules = {},
): Promise<Record<string, unknown>> {
  const { searchParams } = new URL(request.url);
  const query = parseBracketParams(searchParams);
  /** Merges the body over the query. `fields`: the flags in the body. */
  const mergeParams = (body: object, fields: FlagField[]) => {
    const supported = dryRun === undefined ? [] : ["dry_run"];
    const { dry_run } = readSafetyFlags(
      { place: "path", fields: dryRun === "path" ? [{ path: ["dry_run"], value: true }] : [], supported },
      { place: "header", fields: findFlags(request.headers) },
      { place: "query", fields: findFlags(searchParams, data), supported },
      { place: "body", fields, supported },
    );
    return withSafetyFlags({ ...query, ...body }, { dry_run });
  };
  const bytes = await readBody(request, bodyLimit).catch((error: unknown) => {
    throw ReinstateError.is(error, "body_too_large") ? apiError("body_too_large", String(bodyLimit)) : error;
  });
  const text = decodeUtf8(bytes);
  if (text === undefined) throw apiError("malformed_json");
  if (text.trim() === "") return mergeParams({}, []);
  const type = request.headers.get("content-type") ?? "";
  if (/^application\/x-www-form-urlencoded\b/i.test(type)) {
    const fields: FlagField[] = [];
    const form = await parseFormInSlices(text, (pairs) => void fields.push(...findFlags(pairs, data)));
    return mergeParams(form, fields);
  }
  const body = await parseJsonInSlices(text);
  const named = typeof body === "object" ? expandNames(parseMap(body) ?? {}) : {};
  return mergeParams(named, await findFlagsInSlices(body, { data }));
}

/** Ids that are read before yielding to the event loop. */
const itemsPerSlice = 2000;

/**
 * Reads the ids of a batch action: the valid ones in request order, and each invalid one once. `count` includes repeated ids.
 *
 * @throws `missing_param` if there are none.
 */
export async function readIds(ids: unknown): Promise<{ count: number; items: number[]; refused: Refused[] }> {
  const entries = (typeof ids === "object" && ids !== null && parseList(ids)) || [];
  if (entries.length === 0) throw apiError("missing_param", "ids");
  const items: number[] = [];
  const refused = new Map<string, Refused>();
  for (const [index, entry] of entries.entries()) {
    if (index % itemsPerSlice === itemsPerSlice - 1) await setImmediate();
    const isText = typeof entry === "string" || typeof entry === "number";
    const id = isText ? parseInteger(entry) : undefined;
    if (id !== undefined && id > 0) items.push(id);
    else refused.set(JSON.stringify(entry), rejectId(entry, isText && /^\s*-?\d+\s*$/.test(shorten(String(entry)))));
  }
  return { count: entries.length, items, refused: [...refused.values()] };
}

/** Rejects an id: `not_found` for a whole number, because no promoter has it, `invalid_id` for anything else. */
function rejectId(item: unknown, isInteger: boolean): Refused {
  return isInteger
    ? { item, code: "not_found", message: notFoundText(shorten(String(item)).trim()) }
    : { item, code: "invalid_id", message: `${shorten(JSON.stringify(item))} is not a promoter id` };
}

const shorten = (text: string) => (text.length > 50 ? `${text.slice(0, 50)}…` : text);

/** Reads the body of `POST /promoters`. */
export function readNewPromoter(params: Record<string, unknown>): NewPromoter {
  if ((lastText(params.email)?.trim() ?? "") === "") throw apiError("missing_param", "email");
  const { initial_campaign_id, always_approve } = params;
  const campaign = parseInteger(lastText(initial_campaign_id));
  if (campaign === undefined && !isBlank(initial_campaign_id)) throw apiError("not_found");
  const approve = parseBoolean(always_approve);
  return parseOrInvalid(
    newPromoter.safeParse({
      ...readWritableFields(params),
      ...(campaign !== undefined && { initial_campaign_id: campaign }),
      ...(approve !== undefined && { always_approve: approve }),
    }),
  );
}

/** Returns whether a body names single custom fields (`custom_fields[tier]`). Then the other fields stay; a map replaces all. */
export function keepsOtherFields({ custom_fields }: Record<string, unknown>): boolean {
  const custom = parseMap(custom_fields);
  return custom !== undefined && isFromNames(custom);
}

/** Reads the body of `PUT /promoters/{id}`. */
export function readPromoterChanges(params: Record<string, unknown>): PromoterChanges {
  const { email } = params;
  if (email !== undefined && (lastText(email)?.trim() ?? "") === "") throw invalidRecord({ email: ["can't be blank"] });
  const { profile, ...changes } = readWritableFields(params) as { profile?: Record<string, unknown> };
  const profileParams = parseMap(params.profile) ?? {};
  const removedForms = {
    ...(parseBoolean(profileParams._destroy_w8form) && { w8_form_url: null }),
    ...(parseBoolean(profileParams._destroy_w9form) && { w9_form_url: null }),
  };
  return parseOrInvalid(
    promoterChanges.safeParse({ ...changes, ...(profile && { profile: { ...profile, ...removedForms } }) }),
  );
}

const isBlank = (value: unknown) => value === undefined || value === null || value === "";

/** Reads the fields that create and update share. Numbers become texts, because some clients send them. An empty `cust_id` is null. */
function readWritableFields({
  email,
  cust_id,
  note,
  profile,
  custom_fields,
}: Record<string, unknown>): Record<string, unknown> {
  const faults: Record<string, string[]> = {};
  const address = lastText(email)?.trim();
  if (address !== undefined && (!/^[^@\s\0]+@[^@\s\0]+$/.test(address) || address.length > 254)) {
    faults.email = ["is invalid"];
  }
  const custId = isBlank(cust_id) ? null : lastText(cust_id)?.trim();
  if (custId !== null && (custId === undefined || custId.includes("\0"))) faults.cust_id = ["is invalid"];
  // An index entry must fit into a database page.
  if (custId && custId.length > 255) faults.cust_id = ["is too long (maximum is 255 characters)"];
  if (lastText(note)?.includes("\0") || !isTextOrNull(note)) faults.note = ["is invalid"];
  const profileParams = parseMap(profile) ?? {};
  const fields = Object.keys(profileInput.shape).filter((field) => field in profileParams);
  for (const field of fields) if (!isTextOrNull(profileParams[field])) faults[`profile.${field}`] = ["is invalid"];
  const custom = custom_fields === null ? null : parseMap(custom_fields);
  if (custom && isFromNames(custom) && Object.keys(custom).some((name) => /^$|[[\]]/.test(name))) {
    faults.custom_fields = ["is invalid"];
  }
  if (Object.keys(faults).length > 0) throw invalidRecord(faults);
  return {
    ...(address !== undefined && { email: address }),
    ...(cust_id !== undefined && { cust_id: custId }),
    ...(note !== undefined && { note: lastText(note) ?? null }),
    ...(profile !== undefined && {
      profile: Object.fromEntries(fields.map((field) => [field, lastText(profileParams[field]) ?? null])),
    }),
    // Vendor quirk: its file declares a list, so clients generated from it send `[]` for "unchanged".
    ...(custom !== undefined && { custom_fields: custom && { ...custom } }),
  };
}

/** Returns whether a value is a text, null or absent. Any other value would clear its field. */
const isTextOrNull = (value: unknown) => value === undefined || value === null || lastText(value) !== undefined;

function parseOrInvalid<Value>(parsed: { success: true; data: Value } | { success: false; error: z.ZodError }): Value {
  if (parsed.success) return parsed.data;
  throw invalidRecord(
    Object.fromEntries(
      parsed.error.issues.map((issue) => [
        issue.path.join("."),
        [issue.code === "too_big" ? `is too long (maximum is ${issue.maximum} characters)` : "is invalid"],
      ]),
    ),
  );
}
