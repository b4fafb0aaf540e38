/**
 * Runs a job and returns its processor time, and the longest stretch of it without a turn of the event loop, both in
 * milliseconds of this thread's processor time: a busy machine does not change them.
 */
export async function measureTurns(job: () => Promise<unknown>): Promise<{ cpuMs: number; longestMs: number }> {
  const now = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const began = now();
  let last = began;
  let longestMs = 0;
  let isDone = false;
  const look = () => {
    const at = now();
    longestMs = Math.max(longestMs, at - last);
    last = at;
  };
  const turns = (async () => {
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      look();
    }
  })();
  try {
    await job();
  } finally {
    isDone = true;
    await turns;
  }
  return { cpuMs: now() - began, longestMs };
}
