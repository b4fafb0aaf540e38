/** Milliseconds over which the rate is measured, so that it follows a change and does not jump. */
const windowMs = 15_000;

/** Measures the rate of the last seconds, in items per second. */
export function createRate(): (processed: number, now: number) => number {
  let samples: { at: number; processed: number }[] = [];
  return (processed, now) => {
    samples.push({ at: now, processed });
    const recent = samples.findIndex(({ at }) => at >= now - windowMs);
    // One older sample stays, so that slow batches have a rate too.
    samples = samples.slice(Math.max(0, recent - 1));
    const [first] = samples;
    if (!first || now <= first.at) return 0;
    return ((processed - first.processed) * 1000) / (now - first.at);
  };
}
