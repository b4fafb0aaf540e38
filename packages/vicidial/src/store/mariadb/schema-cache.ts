import { isTransient } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import type { Verb } from "../../leads/move.ts";
import { isAltered } from "./errors.ts";
import { MoveBroken } from "./move.ts";
import { isRefused, type Plan, preflight } from "./plan.ts";
import { type Results, runStatements, type Statement } from "./query.ts";
import { findTriggers, refuseTriggers, showTables, toFingerprint } from "./table-shape.ts";

/** The plan of the two tables, read again once they have been altered. */
export interface SchemaCache {
  /** Runs statements by the plan of the tables as they are now, in one message with those that show that they still are so. */
  ask<const Given extends readonly Statement[]>(
    connection: Connection,
    statements: (plan: Plan) => Given,
  ): Promise<Results<Given>>;
  /** Returns the plan of the tables as they are now. */
  checkedPlan(connection: Connection): Promise<Plan>;
  /** Returns the known plan; reads another one if there is none that allows the verb. */
  planFor(connection: Connection, verb: Verb): Promise<Plan>;
  /** Does work that checks its plan itself; once more by another plan if the tables were altered before it began. */
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

/** Runs statements and checks their plan. Returns undefined if the tables have been altered since it was read. */
async function askBy<const Given extends readonly Statement[]>(
  plan: Plan,
  connection: Connection,
  statements: Given,
): Promise<Results<Given> | undefined> {
  const returned = await runStatements(connection, ...showTables, findTriggers, ...statements).catch(
    (error: unknown) => {
      // The statements may name a column that is gone.
      if (isTransient(error)) throw error;
    },
  );
  if (!returned) return undefined;
  const [live, archive, triggers, ...results] = returned;
  if (toFingerprint([live, archive]) !== plan.fingerprint) return undefined;
  refuseTriggers(triggers);
  return results as Results<Given>;
}
