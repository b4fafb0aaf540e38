import { isTransient } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import type { Verb } from "../../leads/move.ts";
import { isAltered } from "./errors.ts";
import { MoveBroken } from "./move.ts";
import { isRefused, type Plan, preflight } from "./plan.ts";
import { type Results, runStatements, type Statement } from "./query.ts";
import { findTriggers, refuseTriggers, showTables, toFingerprint } from "./table-shape.ts";

/** Caches the plan of the two tables, and reads it again after they have been altered. */
export interface SchemaCache {
  /** Runs statements of the cached plan together with a schema check. Builds a new plan if the tables were altered. */
  ask<const Sent extends readonly Statement[]>(
    connection: Connection,
    statements: (plan: Plan) => Sent,
  ): Promise<Results<Sent>>;
  /** Returns the plan after a schema check. */
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

    async ask(connection, statements) {
      const results = plan && (await askBy(plan, connection, statements(plan)));
      return results ?? runStatements(connection, ...statements(await read(connection)));
    },

    async checkedPlan(connection) {
      const known = plan;
      return known && (await askBy(known, connection, [])) ? known : read(connection);
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

/** Runs statements and checks their plan. Returns undefined if the tables have been altered. */
async function askBy<const Sent extends readonly Statement[]>(
  plan: Plan,
  connection: Connection,
  statements: Sent,
): Promise<Results<Sent> | undefined> {
  const returned = await runStatements(connection, ...showTables, findTriggers, ...statements).catch(
    (error: unknown) => {
      // The statements may name a column that no longer exists.
      if (isTransient(error)) throw error;
    },
  );
  if (!returned) return undefined;
  const [live, archive, triggers, ...results] = returned;
  if (toFingerprint([live, archive]) !== plan.fingerprint) return undefined;
  refuseTriggers(triggers);
  return results as Results<Sent>;
}
