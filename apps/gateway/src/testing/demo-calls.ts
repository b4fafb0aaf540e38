import { expect } from "vitest";
import { demoProfile } from "./demo-subscription.ts";

/** One call of each API of a demo gateway that uses the ledger, and the form of its answer while the ledger cannot be used. */
interface DemoCall {
  name: string;
  path: string;
  headers: Record<string, string>;
  /** Undefined: the call is a GET. */
  body?: string;
  /** The body of the answer with status 503. */
  unavailable: unknown;
}

const json = { "content-type": "application/json" };
const xml = { "content-type": "application/xml" };
const subscription = { ...demoProfile, channel: "email" };
const leads = JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: [5] });
const message = expect.stringMatching(/^(A database or server cannot be reached|The database cannot store anything)/);

const calls: DemoCall[] = [
  {
    name: "FirstPromoter",
    path: "/api/v2/company/promoters/restore",
    headers: { ...json, authorization: "Bearer demo-firstpromoter-key", "account-id": "acc_demo" },
    body: JSON.stringify({ ids: [5] }),
    unavailable: { message: "Service unavailable", code: "service_unavailable" },
  },
  {
    name: "Altcraft in JSON",
    path: "/api/v1.1/subscriptions/undelete",
    headers: json,
    body: JSON.stringify({ token: "demo-altcraft-token", ...subscription, email: "john@example.com" }),
    unavailable: { error: 503, error_text: "Service is busy, try again" },
  },
  {
    name: "Altcraft in XML",
    path: "/api/v1.1/subscriptions/undelete",
    headers: xml,
    body: `<xml><token>demo-altcraft-token</token>${Object.entries({ ...subscription, email: "john@example.com" })
      .map(([name, value]) => `<${name}>${value}</${name}>`)
      .join("")}</xml>`,
    unavailable: expect.stringContaining("<error>503</error><error_text>Service is busy, try again</error_text>"),
  },
  {
    name: "VICIdial in the current dialect",
    path: "/vicidial/leads/dearchive",
    headers: { ...json, authorization: "Key=demo-vicidial-key" },
    body: leads,
    unavailable: { message, lead_errors: 0, lead_ids: [] },
  },
  {
    name: "VICIdial in the legacy dialect",
    path: "/vicidial/lead/dearchive",
    headers: { ...json, authorization: "Key=demo-vicidial-key" },
    body: leads,
    unavailable: { message, http_code: 503 },
  },
  {
    name: "/v1",
    path: "/v1/batches",
    headers: { ...json, authorization: "Bearer demo-admin-key" },
    body: JSON.stringify({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [6] }),
    unavailable: { type: "urn:reinstate:problem:not-available", title: "Not available", status: 503, detail: message },
  },
  {
    name: "the dashboard",
    path: "/batches",
    headers: { cookie: "reinstate_session=unknown" },
    unavailable: expect.stringMatching(
      /<title>Not available at the moment · Reinstate<\/title>.*<header class="top">.*Load the page again in a few seconds/s,
    ),
  },
];

/** Words of databases, drivers and the file system, which no caller may see. */
const leaks =
  /ECONN|SQL|relation|pg_|postgres|connection terminated|timeout|disk|extend file|\/tmp|\/data|\bat \S+:\d+/i;

/**
 * Makes one call of each API at the same moment and expects each to be answered 503 in its own form, within the given seconds.
 * `mayWork`: a small write can still find room.
 */
export async function expectUnavailable(baseUrl: string, seconds: number, { mayWork = false } = {}): Promise<void> {
  const answers = await Promise.all(calls.map((call) => sendDemoCall(baseUrl, call)));
  for (const [index, { name, unavailable }] of calls.entries()) {
    const { status, retryAfter, text, ms } = answers[index] as (typeof answers)[number];
    if (mayWork && status < 400) continue;
    expect([name, status, retryAfter]).toEqual([name, 503, "5"]);
    const body = typeof unavailable === "object" && text.startsWith("{") ? JSON.parse(text) : text;
    expect(body).toEqual(unavailable);
    expect(text).not.toMatch(leaks);
    expect([name, ms < seconds * 1000 || ms]).toEqual([name, true]);
  }
}

/** Makes the same calls until none of them is answered with 503 or more. */
export async function areAllAnswered(baseUrl: string): Promise<boolean> {
  const answers = await Promise.all(calls.map((call) => sendDemoCall(baseUrl, call)));
  return answers.every(({ status }) => status < 500);
}

async function sendDemoCall(baseUrl: string, { path, headers, body }: DemoCall) {
  const started = performance.now();
  const request = body === undefined ? { headers } : { method: "POST", headers, body };
  const response = await fetch(baseUrl + path, { ...request, redirect: "manual" });
  const text = await response.text();
  return {
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    text,
    ms: performance.now() - started,
  };
}
