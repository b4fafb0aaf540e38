/** Where a worker can die by its own hand. `…ing` lies inside the transaction, before it is committed. */
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
