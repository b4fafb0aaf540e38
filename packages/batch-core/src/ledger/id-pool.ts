/** Maximum age of a drawn id in milliseconds. It keeps ids in the order of their batches to the second. */
const maxAgeMs = 1000;
const minBlockSize = 8;
const maxBlockSize = 64;

/** Draws `count` ids in one round trip to the database. No id is drawn twice, even after a rollback. */
export type Draw = (count: number) => Promise<number[]>;

/**
 * Ids for batches on PostgreSQL, which cost each small batch a round trip if they were drawn one by one. Without the pool, an
 * `undelete` over HTTP by 16 clients takes 1.26 to 1.32 times as long.
 *
 * Protocol:
 * - `take` returns the oldest id of the pool. A call that finds none draws, and calls at the same moment wait for that draw.
 * - A call that comes more than a second after the last one draws one id. Otherwise it draws a block. Its size doubles from 8 up to 64
 *   while it is too small for all waiting calls.
 * - The call that takes the last id begins the next draw in its own transaction, without waiting: the statement travels with those of
 *   its batch. If that draw fails, its transaction fails for the same reason, and the next call draws by itself.
 * - An id that is older than a second is dropped. Ids of several processes are therefore in the order of their batches to the second,
 *   with gaps.
 */
export function createIdPool(): { take(draw: Draw, now: number): Promise<number> } {
  let ids: number[] = [];
  let until = Number.NEGATIVE_INFINITY;
  let takenAt = Number.NEGATIVE_INFINITY;
  let size = minBlockSize;
  let drawing: Promise<void> | undefined;

  function begin(draw: Draw, count: number): Promise<void> {
    const drawn = draw(count)
      .then((drawn) => {
        ids = drawn;
        until = takenAt + maxAgeMs;
      })
      .finally(() => {
        drawing = undefined;
      });
    drawing = drawn;
    return drawn;
  }

  return {
    async take(draw, now) {
      const isFrequent = now - takenAt < maxAgeMs;
      takenAt = now;
      for (;;) {
        const id = now < until ? ids.shift() : undefined;
        if (id !== undefined) {
          // Not reported here: the next call draws by itself and reports its own failure.
          if (ids.length === 0 && isFrequent) begin(draw, size).catch(() => {});
          return id;
        }
        if (drawing) {
          // The block was too small for all concurrent calls.
          size = Math.min(2 * size, maxBlockSize);
          await drawing.catch(() => {});
        } else {
          await begin(draw, isFrequent ? size : 1);
        }
      }
    },
  };
}
