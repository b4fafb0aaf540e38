/**
 * Processes all items with bounded concurrency, until the signal aborts. After the first error, no more items start. It is thrown when
 * the items in progress have ended.
 */
export async function forEachAtOnce<Item>(
  items: readonly Item[],
  concurrency: number,
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  let failure: { error: unknown } | undefined;
  async function workInTurn() {
    for (const item of waiting) {
      try {
        await work(item);
      } catch (error) {
        failure ??= { error };
      }
      if (failure || signal.aborted) return;
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, workInTurn));
  if (failure && !signal.aborted) throw failure.error;
}
