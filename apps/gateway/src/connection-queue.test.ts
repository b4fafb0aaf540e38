import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createConnectionQueue } from "./connection-queue.ts";

/** Connections that count for how long they were paused. */
function openSockets(count: number): { sockets: Socket[]; readAgain(): number[] } {
  const resumed: number[] = [];
  const sockets = Array.from({ length: count }, (_, index) => ({
    destroyed: false,
    pause: () => {},
    resume: () => resumed.push(index),
  }));
  return { sockets: sockets as unknown as Socket[], readAgain: () => resumed.splice(0) };
}

/** Creates a queue that holds `count` connections. `free`: the places for calls. */
function fill(count: number, free = 0) {
  const places = { free };
  const { sockets, readAgain } = openSockets(count);
  const queue = createConnectionQueue((_, { all }) => all >= places.free);
  for (const socket of sockets) queue.add(socket);
  vi.advanceTimersToNextTimer();
  return { queue, places, sockets, readAgain };
}

describe("queue of connections", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setImmediate", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("reads as many connections as there are places, in order", () => {
    const { queue, places, sockets, readAgain } = fill(5);
    expect(readAgain()).toEqual([]);
    places.free = 2;
    queue.add(sockets[0] as Socket);
    vi.advanceTimersToNextTimer();
    expect(readAgain()).toEqual([0, 1]);
    places.free = 0;
    queue.add(sockets[0] as Socket);
    vi.advanceTimersByTime(50);
    places.free = 4;
    vi.advanceTimersByTime(50);
    expect(readAgain()).toEqual([2, 3, 4, 0]);
    expect(queue.length).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("reads on while connections without a call leave places free", () => {
    const { readAgain } = fill(100, 3);
    expect(readAgain()).toEqual([0, 1, 2]);
    vi.advanceTimersByTime(49);
    expect(readAgain()).toHaveLength(97);
  });

  test("reads each of a few connections again after a second", () => {
    const { readAgain } = fill(20);
    vi.advanceTimersByTime(990);
    expect(readAgain()).toEqual([]);
    vi.advanceTimersByTime(160);
    expect(readAgain()).toHaveLength(20);
  });

  test("reads 200 of many connections a second, and each after five seconds", () => {
    const { readAgain } = fill(3000);
    vi.advanceTimersByTime(1000);
    readAgain();
    for (let second = 2; second < 5; second++) {
      vi.advanceTimersByTime(1000);
      const { length } = readAgain();
      expect(length).toBeGreaterThan(180);
      expect(length).toBeLessThan(220);
    }
    vi.advanceTimersByTime(1100);
    expect(readAgain().length).toBeGreaterThan(2000);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("reads connections of each caller in turn", () => {
    const { sockets, readAgain } = openSockets(6);
    const queue = createConnectionQueue((_, { all }) => all >= 4);
    for (const [index, socket] of sockets.entries()) queue.add(socket, index < 4 ? "busy" : "calm");
    vi.advanceTimersToNextTimer();
    expect(readAgain()).toEqual([0, 4, 1, 5]);
  });

  test("leaves connections of a caller with too many calls", () => {
    const { sockets, readAgain } = openSockets(6);
    const queue = createConnectionQueue((holder, { ofHolder }) => holder === "busy" && ofHolder >= 1);
    for (const [index, socket] of sockets.entries()) queue.add(socket, index < 4 ? "busy" : "calm");
    vi.advanceTimersToNextTimer();
    expect(readAgain()).toEqual([0, 4, 5]);
  });

  test("drops closed connections", () => {
    const { queue, places, readAgain } = fill(0);
    const socket = { destroyed: true, pause: () => expect.unreachable() } as unknown as Socket;
    queue.add(socket);
    vi.advanceTimersToNextTimer();
    places.free = 1;
    expect([queue.length, readAgain()]).toEqual([0, []]);
  });
});
