/**
 * Polls a condition until its result is neither undefined nor false. Pauses for `pollMs` at first and for up to five times as long later,
 * so that a long wait leaves the CPU to the work.
 */
export async function until<Answer>(
  ask: () => Promise<Answer | undefined | false> | Answer | undefined | false,
  { timeoutMs = 120_000, pollMs = 10 } = {},
): Promise<Answer> {
  const started = Date.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    const waitedMs = Date.now() - started;
    if (waitedMs > timeoutMs) throw new Error(`Condition not met within ${timeoutMs} ms`);
    const pauseMs = Math.min(Math.max(pollMs, waitedMs / 20), 5 * pollMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
