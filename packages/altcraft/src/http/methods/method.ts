import type { Host, Key } from "@reinstate/batch-core";
import type * as z from "zod";
import type { Consent } from "../../consent/port.ts";
import type { AltcraftSettings } from "../../options.ts";
import type { SubscriptionStore } from "../../store/store.ts";
import type { MethodRow } from "./method-table.ts";
import type { MethodReply } from "./reply.ts";
import type { FlagBatches } from "./run-flag-batch.ts";

/** A method with its handler. */
export interface Method extends MethodRow {
  name: string;
  /** Schema of the whole body, in a form that exposes its fields. */
  body: z.ZodType;
  /** Names of the fields of `body`. */
  names: ReadonlySet<string>;
  /** @throws `ApiError` */
  handle(parameters: unknown, token: Key): Promise<MethodReply>;
}

/** Handlers for every row of a method table, each with the parameters of its row. */
export type Handlers<Table extends Record<string, MethodRow>> = {
  [Name in keyof Table]: (parameters: z.output<Table[Name]["parameters"]>, token: Key) => Promise<MethodReply>;
};

/** Dependencies of the methods. */
export interface MethodParts {
  host: Host;
  store: SubscriptionStore;
  consent: Consent;
  flagBatches: FlagBatches;
  settings: AltcraftSettings;
}
