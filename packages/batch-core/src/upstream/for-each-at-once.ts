/**
 * Works on all items, a bounded number at once, until the signal is aborted. The first error is thrown after the work that is in
 * progress has ended; no more is started.
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
