import { createHmac } from "node:crypto";

/** Parses a secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. Returns undefined for anything else. */
export function parseSecret(secret: string): Buffer | undefined {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  const key = text === undefined ? undefined : Buffer.from(text, "base64");
  return key && key.length >= 24 && key.length <= 64 ? key : undefined;
}

/** Returns the headers of a signed message. `seconds`: since 1970 UTC. Source: Standard Webhooks, scheme v1. */
export function signedHeaders(key: Buffer, id: string, seconds: number, body: string): Record<string, string> {
  const signature = createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
}
