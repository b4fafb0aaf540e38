import { isTransient } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import type { Verb } from "../../leads/move-types.ts";
import { isAltered } from "./errors.ts";
import { MoveBroken } from "./move.ts";
import { isRefused, type Plan, preflight } from "./plan.ts";
import { runStatements } from "./query.ts";
import { findTriggers, refuseTriggers, showTables, toFingerprint } from "./table-shape.ts";

/** Caches the plan of the two tables, and reads it again after they have been altered. */
export interface SchemaCache {
  /** Returns the plan after a check of the tables. */
  checkedPlan(connection: Connection): Promise<Plan>;
  /** Returns the cached plan without a check. Builds a plan if there is none, or if it refuses the verb. */
  planFor(connection: Connection, verb: Verb): Promise<Plan>;
  /** Runs `work`, which checks its plan itself. Retries once with a new plan if the tables were altered before anything was written. */
  withPlan<Result>(connection: Connection, verb: Verb, work: (plan: Plan) => Promise<Result>): Promise<Result>;
}

export function createSchemaCache(): SchemaCache {
  let plan: Plan | undefined;

  async function read(connection: Connection): Promise<Plan> {
    plan = await preflight(connection);
    return plan;
  }

  const planFor = async (connection: Connection, verb: Verb) =>
    !plan || isRefused(plan, verb) ? read(connection) : plan;

  return {
    planFor,

    async checkedPlan(connection) {
      const cached = plan;
      if (!cached) return read(connection);
      const shown = await runStatements(connection, ...showTables, findTriggers).catch((error: unknown) => {
        // A table may no longer exist.
        if (isTransient(error)) throw error;
      });
      if (!shown) return read(connection);
      const [live, archive, triggers] = shown;
      if (toFingerprint([live, archive]) !== cached.fingerprint) return read(connection);
      refuseTriggers(triggers);
      return cached;
    },

    async withPlan(connection, verb, work) {
      try {
        return await work(await planFor(connection, verb));
      } catch (error) {
        if (!(error instanceof MoveBroken) || error.written || !isAltered(error.cause)) throw error;
      }
      return work(await read(connection));
    },
  };
}
