import { defineVendor, silentLog } from "@reinstate/batch-core";
import { defineErrors } from "@reinstate/batch-core/http";
import { expect, test } from "vitest";
import * as z from "zod";
import { readSettings } from "./config.ts";
import { createGateway } from "./gateway.ts";

const { answerError } = defineErrors<"internal">({ vendor: "zendesk", codes: {} });

test.each(["mine-1", undefined])("logs a fault of a vendor under the id of the reply, given %j", async (given) => {
  const logged: { request_id?: string }[] = [];
  const log = { ...silentLog, error: (fields: object) => void logged.push(fields) };
  const zendesk = defineVendor({
    name: "zendesk",
    label: "Zendesk",
    paths: ["/zendesk"],
    settings: z.strictObject({}),
    create: async (host) => ({
      operations: [],
      routes: {
        fetch: (request) =>
          answerError(new Error("a fault"), { request, log: host.log }, () => new Response(null, { status: 500 })),
      },
    }),
    demo: { keys: [], load: async () => {}, curl: () => "" },
  });
  const settings = readSettings({ env: { REINSTATE_DATABASE_URL: "sqlite::memory:" }, vendors: [zendesk] });
  const gateway = await createGateway(settings, [zendesk], log);
  const headers: Record<string, string> = given === undefined ? {} : { "x-request-id": given };
  const response = await gateway.fetch(new Request("http://localhost/zendesk/tickets", { headers }));
  await gateway.stop();
  const id = response.headers.get("x-request-id");
  if (given !== undefined) expect(id).toBe(given);
  expect(logged).toMatchObject([{ vendor: "zendesk", request_id: id }]);
});
