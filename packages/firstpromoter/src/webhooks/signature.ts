import { createHmac } from "node:crypto";

/** The key in a secret as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64. Undefined for anything else. */
export function keyOfSecret(secret: string): Buffer | undefined {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  const key = text === undefined ? undefined : Buffer.from(text, "base64");
  return key && key.length >= 24 && key.length <= 64 ? key : undefined;
}

/** The headers of a signed message. Source: the specification of Standard Webhooks, scheme v1. `seconds` since 1970 UTC. */
export function signedHeaders(key: Buffer, id: string, seconds: number, body: string): Record<string, string> {
  const signature = createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
}
