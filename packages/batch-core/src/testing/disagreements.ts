import type { Host } from "../host.ts";

/**
 * Compares the outcomes of a finished batch with what the vendor holds, and returns one line for each item whose outcome is
 * wrong: `done` or `skipped` although the vendor disagrees, `failed` although it was changed, or no outcome. `unknown` is never wrong.
 *
 * @param isSo reports whether the vendor holds the item in the target state
 */
export async function findDisagreements(
  { batches }: Host,
  batchId: number,
  isSo: (item: unknown) => boolean | Promise<boolean>,
): Promise<string[]> {
  const wrong: string[] = [];
  for await (const { item, outcome, code } of batches.everyItem(batchId)) {
    if (outcome === "unknown") continue;
    const expected = outcome === "done" || outcome === "skipped";
    if (outcome !== undefined && (await isSo(item)) === expected) continue;
    wrong.push(
      `${JSON.stringify(item)} is ${outcome ?? "without an outcome"} (${code ?? "no code"}) and is ${expected ? "not so" : "so"} at the vendor`,
    );
  }
  return wrong;
}
