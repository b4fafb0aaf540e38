import assert from "node:assert/strict";
import type { Vendor, VendorInstance } from "../../vendor/vendor.ts";
import { listServedRoutes, type ServedRoute } from "../served-routes.ts";
import { type StartedVendor, type StartVendorOptions, startVendor } from "../start-vendor.ts";
import { parseCurl } from "./curl.ts";

/** A call of a vendor's API on the demo records of its first key. */
export interface ContractCall {
  path: string;
  /** Default: that of the route. */
  method?: string;
  headers?: Record<string, string>;
  /** A text is sent as it is, anything else as JSON. */
  body?: unknown;
}

/** The errors that every route can return. */
export type ContractError = "unauthorized" | "not_found" | "too_many_requests" | "unavailable" | "internal";

/** A reply as the contract compares it. */
export interface ContractReply {
  status: number;
  headers: Headers;
  text: string;
}

/** A vendor, and the facts about its API that the contract needs. */
export interface VendorUnderTest<Settings, Instance extends VendorInstance> {
  vendor: Vendor<Settings, Instance>;
  /** Settings with which every route is served. Default: none. */
  settings?: Record<string, string>;
  /** Returns at least one valid call of a route. `batch`: the id of the batch that the demo's `curl` has made. */
  calls(route: ServedRoute, batch: number): ContractCall[];
  /** Returns the headers that show a key. */
  authorize(secret: string, account: string): Record<string, string>;
  /** Reports whether a reply is this error in the vendor's form. */
  isError(kind: ContractError, reply: ContractReply, call: ContractCall): boolean;
  /** If the vendor has accounts: a text in the records of the first demo key that its own calls show. */
  shown?: string;
  /** If the vendor has an import: a line of NDJSON that it takes. */
  importedLine?: string;
}

export type Started = StartedVendor<VendorInstance>;
// biome-ignore lint/suspicious/noExplicitAny: the contract looks at no settings and at no instance of its own.
export type AnyTested = VendorUnderTest<any, any>;

/** Starts the vendor on a database. */
export const start = (
  { vendor, settings }: AnyTested,
  databaseUrl: string,
  host: StartVendorOptions<never>["host"] = {},
) => startVendor<unknown, VendorInstance>(vendor, { settings, host: { databaseUrl, ...host } });

/** Makes the call that the demo prints. Returns the id of its batch, which has ended. */
export async function runDemo({ vendor }: AnyTested, started: Started): Promise<number> {
  const response = await started.fetch(parseCurl(vendor.demo.curl("http://vendor.example")));
  const text = await response.text();
  assert.ok(response.ok, `the demo's curl is answered with ${response.status}: ${text}`);
  const id = Number(response.headers.get("x-reinstate-batch"));
  assert.ok(id > 0, "the reply to the demo's curl has no X-Reinstate-Batch");
  const { counts } = await started.host.batches.wait(id);
  assert.ok(counts.done > 0, "the demo's curl restores nothing");
  return id;
}

/** The calls of every route of a started vendor. */
export function listCalls({ calls }: AnyTested, { instance }: Started, batch: number) {
  return listServedRoutes(instance.routes).flatMap((route) => {
    const ofRoute = calls(route, batch);
    assert.ok(ofRoute.length > 0, `${route.method} ${route.path} has no call in the contract`);
    return ofRoute.map((call) => ({ ...call, method: call.method ?? route.method }));
  });
}

/** Sends a call with the headers that show a key. */
export async function send(
  started: Started,
  call: ContractCall,
  headers: Record<string, string>,
): Promise<ContractReply> {
  const { path, method = "GET", body } = call;
  const isJson = body !== undefined && typeof body !== "string";
  const response = await started.fetch(path, {
    method,
    headers: { ...(isJson && { "content-type": "application/json" }), ...headers, ...call.headers },
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as string) }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
