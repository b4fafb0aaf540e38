import type { Keys } from "@reinstate/batch-core";

/** Maximum number of names in memory. */
const maxNames = 1000;

/** Finds the names of keys by their ids. The name of a key never changes. */
export function createActorNames(keys: Pick<Keys, "findById">) {
  const known = new Map<string, string>();
  return {
    /** Returns a lookup of the names. A key without a name is shown by its id. */
    async find(ids: readonly (string | null)[]): Promise<(id: string) => string> {
      for (const id of new Set(ids)) {
        if (id === null || known.has(id)) continue;
        if (known.size >= maxNames) known.clear();
        known.set(id, (await keys.findById(id))?.name || id);
      }
      return (id) => known.get(id) ?? id;
    },
  };
}
