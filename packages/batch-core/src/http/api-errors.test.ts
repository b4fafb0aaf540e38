import { describe, expect, test } from "vitest";
import { ReinstateError } from "../errors/errors.ts";
import { silentLog } from "../log.ts";
import { ApiError, defineErrors } from "./api-errors.ts";

const { apiError, toApiError, answerError } = defineErrors<"not_found" | "invalid" | "too_many_requests">({
  vendor: "zendesk",
  detailBytes: 20,
  codes: {
    unknown_batch: "not_found",
    invalid_request: "invalid",
    overloaded: "unavailable",
    too_many_requests: "too_many_requests",
  },
  details: { invalid_request: ({ issues }) => `field ${issues[0]?.path}` },
});

const request = new Request("http://localhost/", { headers: { "x-request-id": "mine-1" } });
const away = Object.assign(new Error("connect ECONNREFUSED 10.0.0.1:5432"), { code: "ECONNREFUSED" });

/** Answers with the kind as the body, and collects what is logged. */
function answer(error: unknown, { signal = new AbortController().signal } = {}) {
  const logged: object[] = [];
  const log = { ...silentLog, error: (fields: object) => void logged.push(fields) };
  const response = answerError(
    error,
    { request: new Request(request, { signal }), log, fields: { verb: "restore" } },
    (known) => new Response(known.kind, { status: 418, headers: known.headers }),
  );
  return { response, logged };
}

describe("errors of a vendor's API", () => {
  test("give each error of the core its kind and its detail", () => {
    expect(toApiError(new ReinstateError("unknown_batch", "There is no batch 7"))).toMatchObject({
      kind: "not_found",
      detail: "There is no batch 7",
      headers: {},
    });
    const issues = [{ path: "ids", message: "is required" }];
    expect(toApiError(new ReinstateError("invalid_request", "x", { issues }))).toMatchObject({
      kind: "invalid",
      detail: "field ids",
    });
  });

  test("pass on when the same call may succeed", () => {
    const busy = new ReinstateError("overloaded", "busy", { retryAfterSeconds: 3 });
    expect(toApiError(busy)).toMatchObject({ kind: "unavailable", headers: { "retry-after": "3" } });
  });

  test("keep an error that the vendor threw", () => {
    const thrown = apiError("invalid", "name", { headers: { allow: "GET" }, members: { errors: { name: ["no"] } } });
    expect(toApiError(thrown)).toBe(thrown);
    expect(ApiError.is(thrown)).toBe(true);
    expect(ApiError.is(new Error("invalid"))).toBe(false);
  });

  test("cut a detail that repeats the request", () => {
    expect(Buffer.byteLength(apiError("invalid", "x".repeat(1000)).detail)).toBeLessThanOrEqual(20);
  });

  test("show no text of a database or of a fault", () => {
    expect(toApiError(away)).toMatchObject({ kind: "unavailable", detail: expect.not.stringContaining("10.0") });
    expect(toApiError(new TypeError("x is undefined"))).toMatchObject({
      kind: "internal",
      detail: expect.not.stringContaining("undefined"),
    });
    expect(toApiError(new ReinstateError("wrong_state", "y")).kind).toBe("internal");
  });

  test("log faults of the server with the fields of the call", async () => {
    const { response, logged } = answer(away);
    expect(await response.text()).toBe("unavailable");
    expect(logged).toEqual([
      { vendor: "zendesk", request_id: "mine-1", verb: "restore", error: expect.stringContaining("10.0.0.1") },
    ]);
  });

  test("do not log what the vendor rejected or turned away", () => {
    for (const error of [
      apiError("internal", "told by the batch"),
      new ReinstateError("unknown_batch", "none"),
      new ReinstateError("overloaded", "busy"),
    ]) {
      expect(answer(error).logged).toEqual([]);
    }
  });

  test("answer 499 to a client that has gone", () => {
    const { response, logged } = answer(new Error("aborted"), { signal: AbortSignal.abort() });
    expect(response.status).toBe(499);
    expect(logged).toEqual([]);
  });
});
