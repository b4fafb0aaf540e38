import { describe, expect, test } from "vitest";
import type { Service } from "./service.ts";
import { watchBatch } from "./watch.ts";

describe("the watch of a batch", () => {
  test("ends if it is interrupted while the stream opens", async () => {
    const controller = new AbortController();
    const open = async () => {
      controller.abort();
      return new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream" } });
    };
    const service = { open, server: undefined } as unknown as Service;
    for await (const seen of watchBatch(service, 1, controller.signal)) expect.fail(JSON.stringify(seen));
    expect(controller.signal.aborted).toBe(true);
  }, 10_000);
});
