import type { Host, Key } from "@reinstate/batch-core";
import type * as z from "zod";
import type { AltcraftSettings } from "../../options.ts";
import type { ConsentStore, SubscriptionStore } from "../../store/store.ts";
import type { MethodRow } from "./method-table.ts";
import type { MethodReply } from "./reply.ts";
import type { FlagSetter } from "./set-deleted-flag.ts";

/** One method at work. */
export interface Method extends MethodRow {
  name: string;
  /** All that a body may hold, as it shows what is inside. */
  body: z.ZodType;
  /** The names of all that. */
  names: ReadonlySet<string>;
  /** Throws an `ApiError`. */
  handle(parameters: unknown, token: Key): Promise<MethodReply>;
}

/** A handler for every row of a table, each with the parameters of its row. */
export type Handlers<Table extends Record<string, MethodRow>> = {
  [Name in keyof Table]: (parameters: z.output<Table[Name]["parameters"]>, token: Key) => Promise<MethodReply>;
};

/** What the methods work with. */
export interface MethodParts {
  host: Host;
  store: SubscriptionStore;
  consent: ConsentStore;
  flagging: FlagSetter;
  settings: AltcraftSettings;
}
