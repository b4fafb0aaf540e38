import type { Clock } from "../clock.ts";
import type { Key, Keys } from "../keys/keys.ts";
import type { Log } from "../log.ts";
import { createCallerAddress } from "./caller-address.ts";
import { createInFlight } from "./in-flight.ts";
import { type AdmissionLimits, defaultLimits } from "./limits.ts";
import { findPass, givePass, overloaded, type Pass } from "./pass.ts";
import { readRequestId } from "./request-id.ts";
import { createUnknownBytes } from "./unknown-bytes.ts";
import { createWrongKeys } from "./wrong-keys.ts";

/** Admits calls within the limits of the process and identifies their keys. Every route of every API uses it. */
export interface Admission {
  /**
   * Admits a call. The returned function ends it and must be called after the response is created. `env`: the server's data beside the
   * request.
   *
   * @throws ReinstateError `overloaded`
   * @example
   * const leave = host.admission.enter(request, env);
   * try { return await answer(request); } finally { leave(); }
   */
  enter(request: Request, env?: unknown): () => void;
  /**
   * Returns the valid key with this secret, and counts the call as one of that key. Undefined for a wrong key.
   * @throws ReinstateError `too_many_requests` for too many calls of the key, or too many wrong keys of the address.
   */
  findKey(request: Request, vendor: string, secret: string): Promise<Key | undefined>;
  /** Counts the call for `holder`, which was authenticated without a key. @throws ReinstateError `too_many_requests` */
  identify(request: Request, holder: string): void;
  /** Counts a wrong password. @throws ReinstateError `too_many_requests` */
  countWrongKey(request: Request, vendor: string): void;
  /** Returns the address of the caller; undefined if the server does not report it. */
  readCallerAddress(request: Request, env: unknown): string | undefined;
  /** Reports whether a call got no place, at its start or while its body was read. */
  wasTurnedAway(request: Request): boolean;
  /** Reports whether the next call would be rejected. `waiting`: calls before it that have not entered yet. */
  isFull(waiting?: number): boolean;
  /** Returns the key or user that a call was identified as, also if the call was rejected after that. */
  findHolder(request: Request): string | undefined;
  /** Reports whether the next call of this key or user would be rejected. `waiting`: calls before it that have not entered yet. */
  isHolderFull(holder: string, waiting?: number): boolean;
  /** Counts a call that was turned away before `enter`. */
  countShed(): void;
  counts(): AdmissionCounts;
}

/** The calls in flight and those that were turned away. */
export interface AdmissionCounts {
  inFlight: number;
  /** Calls that were turned away with 503 since the start. */
  shed: number;
  wrongKeys: number;
  unknownBytes: number;
}

export interface AdmissionParts {
  limits?: Partial<AdmissionLimits> | undefined;
  keys: Keys;
  clock: Clock;
  log: Log;
}

/** Interval between two log lines about rejected calls. */
const logEveryMs = 1000;

export function createAdmission({ limits: overrides, keys, clock, log }: AdmissionParts): Admission {
  const limits = { ...defaultLimits, ...overrides };
  const inFlight = createInFlight(limits);
  const unknownBytes = createUnknownBytes(limits.maxUnknownBytes);
  const wrongKeys = createWrongKeys({ perMinute: limits.wrongKeysPerMinute, clock, log });
  const readCallerAddress = createCallerAddress(limits.trustedProxies);
  let shed = 0;
  let logged = 0;
  let isLogging = false;

  function countShed(): void {
    shed++;
    if (isLogging) return;
    isLogging = true;
    setTimeout(() => {
      isLogging = false;
      log.warn({ shed: shed - logged, in_flight: inFlight.count }, "calls turned away");
      logged = shed;
    }, logEveryMs).unref();
  }

  const turnedAway = new WeakSet<Request>();

  function takePlace(request: Request): void {
    if (inFlight.take()) return;
    countShed();
    turnedAway.add(request);
    throw overloaded();
  }

  function enter(request: Request, env?: unknown): () => void {
    takePlace(request);
    let isPaused = false;
    let isOver = false;
    const pass: Pass = {
      address: readCallerAddress(request, env),
      isKnown: false,
      holder: undefined,
      hasPlaceOfHolder: false,
      hasWrongKey: false,
      unknownBytes: 0,
      evict: undefined,
      isEvicted: false,
      reserve(bytes) {
        if (!pass.isKnown) unknownBytes.reserve(pass, bytes);
      },
      pause() {
        if (isPaused || isOver) return;
        isPaused = true;
        inFlight.release();
      },
      resume() {
        if (!isPaused || isOver) return;
        // A long upload must not fail because of a short peak. The limit per key bounds how many calls return.
        if (pass.isKnown) inFlight.retake();
        else takePlace(request);
        isPaused = false;
      },
    };
    givePass(request, pass);
    return () => {
      if (isOver) return;
      isOver = true;
      if (!isPaused) inFlight.release();
      unknownBytes.release(pass);
      if (pass.holder !== undefined && pass.hasPlaceOfHolder) inFlight.releaseOfKey(pass.holder);
    };
  }

  function identify(request: Request, holder: string): void {
    const pass = findPass(request);
    if (!pass || pass.isKnown) return;
    pass.isKnown = true;
    unknownBytes.release(pass);
    pass.holder = holder;
    inFlight.takeOfKey(holder);
    pass.hasPlaceOfHolder = true;
  }

  function countWrongKey(request: Request, vendor: string): void {
    const pass = findPass(request);
    if (pass?.address === undefined || pass.hasWrongKey) return;
    pass.hasWrongKey = true;
    wrongKeys.add(pass.address, vendor, readRequestId(request));
  }

  return {
    enter,
    identify,
    countWrongKey,
    readCallerAddress,
    countShed,
    isFull: inFlight.isFull,
    isHolderFull: inFlight.isKeyFull,
    findHolder: (request) => findPass(request)?.holder,
    wasTurnedAway: (request) => turnedAway.has(request),
    async findKey(request, vendor, secret) {
      const key = await keys.find(vendor, secret);
      if (key) identify(request, `${vendor} ${key.id}`);
      else countWrongKey(request, vendor);
      return key;
    },
    counts: () => ({
      inFlight: inFlight.count,
      shed,
      wrongKeys: wrongKeys.count,
      unknownBytes: unknownBytes.count,
    }),
  };
}
