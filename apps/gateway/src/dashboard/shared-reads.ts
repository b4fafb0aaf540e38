/** How often the pages of one process read the same ended batch, or the same list, together. */
export const sharedMs = 900;

/** Reads something for all pages of a process at once: a result is used for 0.9 seconds. */
export function createSharedReads(now: () => number) {
  const results = new Map<string, { until: number; result: Promise<unknown> }>();
  return <Result>(name: string, read: () => Promise<Result>): Promise<Result> => {
    const known = results.get(name);
    if (known && now() < known.until) return known.result as Promise<Result>;
    if (results.size >= 1000) results.clear();
    const result = read();
    results.set(name, { until: now() + sharedMs, result });
    return result;
  };
}

export type SharedReads = ReturnType<typeof createSharedReads>;
