import type { FlagStore } from "@reinstate/batch-core";
import type { WidgetId } from "../schemas.ts";

/** A widget as it is stored. Times are milliseconds since 1970 UTC. */
export interface WidgetRecord {
  id: WidgetId;
  title: string;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

/** A widget to be stored. */
export interface NewWidget {
  id: WidgetId;
  title: string;
  deleted_at: number | null;
}

/** The widgets of every account. Guarantee of every implementation: a call reads and writes only rows of its account. */
export interface WidgetStore {
  /** Deletes and restores sets of widgets. */
  flags: FlagStore<WidgetId>;
  find(account: string, id: WidgetId): Promise<WidgetRecord | undefined>;
  /** Returns the deleted or the live widgets in the order of their ids, those after `after` alone. */
  list(account: string, page: { deleted: boolean; after?: WidgetId; limit: number }): Promise<WidgetRecord[]>;
  /** Adds widgets; one whose id is in use is left as it is. Returns how many were added. */
  add(account: string, widgets: readonly NewWidget[], now: number): Promise<number>;
  hasAccount(account: string): Promise<boolean>;
}
