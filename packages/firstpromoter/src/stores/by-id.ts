import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";

/*
 * Conditions of statements that find their promoters by id, said so that no index serves them. Without statistics SQLite would
 * rather walk over a whole account than look the ids up. PostgreSQL would where its statistics are of yesterday: after a million
 * were restored, they say for a while that hardly anybody is live, and it would walk over all who are for every set of 500.
 */

/** The wall. */
export const inAccount = ({ dialect }: Database, account: string): RawBuilder<boolean> =>
  dialect === "sqlite" ? sql`+account = ${account}` : sql`account || '' = ${account}`;

/** Not archived. */
export const isLive = ({ dialect }: Database): RawBuilder<boolean> =>
  dialect === "sqlite" ? sql`archived_at is null` : sql`coalesce(archived_at, -1) = -1`;
