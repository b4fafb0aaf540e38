import type { Opposite } from "@reinstate/batch-core";
import type { DearchiveParams } from "../schemas.ts";
import { operationName } from "./verbs.ts";

/** Params that both verbs have, on our own records and at the real endpoint. */
type Common = Pick<DearchiveParams, "insert_leads" | "delete_leads" | "all_or_nothing">;

/** A move that inserted is undone by a delete from its target, and a move that deleted by an insert into its source. */
const swap = ({ insert_leads, delete_leads, all_or_nothing }: Common) => ({
  insert_leads: delete_leads,
  delete_leads: insert_leads,
  ...(all_or_nothing !== undefined && { all_or_nothing }),
});

export const dearchiveOpposite: Opposite<Common> = {
  operation: operationName("archive"),
  params: (params) => ({ ...swap(params), update_leads: false }),
};

/** Returns the leads to the live table as they were. A copy in the archive that an update has overwritten stays overwritten. */
export const archiveOpposite: Opposite<Common> = {
  operation: operationName("dearchive"),
  params: swap,
};
