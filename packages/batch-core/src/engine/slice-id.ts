import { createHash } from "node:crypto";

/** The UUID namespace of this project. */
const namespace = Buffer.from("8f6f2c0a6c3f4d559d0e4b1c7a52e3b9", "hex");

/** Returns the version 5 UUID (RFC 9562) of a name, which is the same in every process. */
export function toUuid(name: string): string {
  const bytes = createHash("sha1").update(namespace).update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
