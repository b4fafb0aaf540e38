import { overloaded, type Pass } from "./pass.ts";

/** The bytes of bodies that are held for callers who have not shown a valid key yet. */
export interface UnknownBytes {
  readonly count: number;
  /**
   * Counts bytes for a call. If the limit is reached, the call that holds the most gives way, so that callers of short bodies are
   * served while others fill the memory.
   * @throws ReinstateError `overloaded` if this call is the one that would hold the most.
   */
  reserve(pass: Pass, bytes: number): void;
  release(pass: Pass): void;
}

export function createUnknownBytes(limit: number): UnknownBytes {
  const holders = new Set<Pass>();
  let count = 0;

  function release(pass: Pass): void {
    count -= pass.unknownBytes;
    pass.unknownBytes = 0;
    holders.delete(pass);
  }

  function largest(): Pass | undefined {
    let found: Pass | undefined;
    for (const pass of holders) if (pass.unknownBytes > (found?.unknownBytes ?? 0)) found = pass;
    return found;
  }

  return {
    get count() {
      return count;
    },
    release,
    reserve(pass, bytes) {
      while (count + bytes > limit) {
        const other = largest();
        if (!other || other === pass || other.unknownBytes <= pass.unknownBytes + bytes) throw overloaded();
        release(other);
        other.isEvicted = true;
        other.evict?.(overloaded());
      }
      count += bytes;
      pass.unknownBytes += bytes;
      holders.add(pass);
    },
  };
}
