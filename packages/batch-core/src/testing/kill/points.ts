/** The points at which a worker can kill itself. `…ing` is inside the transaction, before the commit. */
export const points = [
  "accepting",
  "accepted",
  "claimed",
  "applied",
  "finishing",
  "finished",
  "closing",
  "closed",
  "retrying",
  "retried",
] as const;
export type Point = (typeof points)[number];
