// Entry point: schemas of requests, replies and records, under the vendor's names. Files of this package import from schemas/.

export { type KnownChannel, knownChannels } from "./schemas/channels.ts";
export * from "./schemas/consent.ts";
export * from "./schemas/extensions.ts";
export * from "./schemas/identity.ts";
export * from "./schemas/replies.ts";
export * from "./schemas/requests.ts";
