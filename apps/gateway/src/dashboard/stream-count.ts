/** Counts the open streams of each session. */
export function createStreamCount() {
  const open = new Map<string, number>();
  return {
    /** Returns the number of streams that were open before. */
    add(session: string): number {
      const count = open.get(session) ?? 0;
      open.set(session, count + 1);
      return count;
    },
    remove(session: string): void {
      const count = (open.get(session) ?? 1) - 1;
      if (count > 0) open.set(session, count);
      else open.delete(session);
    },
  };
}

export type StreamCount = ReturnType<typeof createStreamCount>;
