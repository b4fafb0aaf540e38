import { ReinstateError } from "../errors/errors.ts";

/** An admitted call, until its response is created. */
export interface Pass {
  /** The caller's address, if the server reports it. */
  readonly address: string | undefined;
  /** The caller has a valid key. */
  isKnown: boolean;
  /** The key or user of a known caller, also if it has too many calls in progress. */
  holder: string | undefined;
  /** The call counts as one of its holder. */
  hasPlaceOfHolder: boolean;
  /** A wrong key of this call has been counted. */
  hasWrongKey: boolean;
  /** Bytes of the body that are held for a caller who is not known. */
  unknownBytes: number;
  /** Set while the body is waited for; rejects the wait. */
  evict: ((error: ReinstateError) => void) | undefined;
  isEvicted: boolean;
  /** Counts bytes of the body against the limit for unknown callers. @throws ReinstateError `overloaded` */
  reserve(bytes: number): void;
  /** The call waits for its client, so it does not count as in progress. */
  pause(): void;
  /** @throws ReinstateError `overloaded` if there is no place for a caller who is not known. */
  resume(): void;
}

/** Stored by request instead of passed as an argument, so that no reader of a body can omit it. */
const passes = new WeakMap<Request, Pass>();

export const findPass = (request: Request): Pass | undefined => passes.get(request);
export const givePass = (request: Request, pass: Pass): void => void passes.set(request, pass);

/** Time in which the body of most calls has arrived; until then they count as in progress. */
const patienceMs = 100;

/**
 * Waits for a part of the body of a call. After 100 ms the call no longer counts as in progress, because a slow client must not
 * take the place of others.
 * @throws ReinstateError `overloaded` if memory was needed for other callers, or if there is no place when the part arrives and
 * the caller is not known.
 */
export async function waitForClient<Part>(request: Request, part: Promise<Part>): Promise<Part> {
  const pass = findPass(request);
  if (!pass) return part;
  if (pass.isEvicted) throw overloaded();
  let isPaused = false;
  const timer = setTimeout(() => {
    isPaused = true;
    pass.pause();
  }, patienceMs);
  try {
    const evicted = new Promise<never>((_, reject) => {
      pass.evict = reject;
    });
    return await Promise.race([part, evicted]);
  } finally {
    clearTimeout(timer);
    pass.evict = undefined;
    if (isPaused) pass.resume();
  }
}

/** Creates the error of a call for which this process has no place. */
export function overloaded(): ReinstateError {
  return new ReinstateError("overloaded", "The server is busy; try again in a second", { retryAfterSeconds: 1 });
}
