// A receiver that verifies the signature of a webhook, as Standard Webhooks describes it. `WEBHOOK_SECRET`: the server's webhookSecret.
import { createHmac, timingSafeEqual } from "node:crypto";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const { WEBHOOK_SECRET = "" } = process.env;
const secret = Buffer.from(WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
/** Seconds for which a signature is valid. An older message may be a replay. */
const toleranceSeconds = 300;

function isSigned(headers: Headers, body: string): boolean {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= toleranceSeconds)) return false;
  const expected = createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest();
  const signatures = (headers.get("webhook-signature") ?? "").split(" ");
  return signatures.some((signature) => {
    const bytes = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}

const app = new Hono();
app.post("/webhook", async (c) => {
  // The signature is over the bytes of the body, so read it as text.
  const body = await c.req.text();
  if (!isSigned(c.req.raw.headers, body)) return c.text("wrong signature", 401);
  const { type, data } = JSON.parse(body);
  // A message may arrive twice with the same webhook-id: store the id, and skip a repeat.
  console.log(JSON.stringify({ id: c.req.header("webhook-id"), type, account: data.account_id }));
  return c.body(null, 204);
});

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 0), hostname: "127.0.0.1" }, ({ port }) => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}/webhook` }));
});
process.once("SIGTERM", () => server.close());
