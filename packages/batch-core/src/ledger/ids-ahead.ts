/** How long an id that was drawn may wait for its batch, in milliseconds, so that ids tell the order of batches to the second. */
const keptMs = 1000;
const atLeast = 8;
const atMost = 64;

/** Draws so many ids, in one way to the database; they are not drawn again, whatever becomes of the transaction. */
export type Draw = (count: number) => Promise<number[]>;

/**
 * Ids for batches, several drawn at a time by whoever needs one often: the next ones travel with the statements of the batch
 * that took the last one, and nobody waits for them. `take` gives them out in ascending order.
 */
export function createIdsAhead(): { take(draw: Draw, now: number): Promise<number> } {
  let ids: number[] = [];
  let until = Number.NEGATIVE_INFINITY;
  let asked = Number.NEGATIVE_INFINITY;
  let size = atLeast;
  let drawing: Promise<void> | undefined;

  function begin(draw: Draw, count: number): Promise<void> {
    const drawn = draw(count)
      .then((drawn) => {
        ids = drawn;
        until = asked + keptMs;
      })
      .finally(() => {
        drawing = undefined;
      });
    drawing = drawn;
    return drawn;
  }

  return {
    async take(draw, now) {
      const often = now - asked < keptMs;
      asked = now;
      for (;;) {
        const id = now < until ? ids.shift() : undefined;
        if (id !== undefined) {
          // Whoever needs them is told of a failure by his own draw.
          if (ids.length === 0 && often) begin(draw, size).catch(() => {});
          return id;
        }
        if (drawing) {
          // It was too few for all who ask at this moment.
          size = Math.min(2 * size, atMost);
          await drawing.catch(() => {});
        } else {
          await begin(draw, often ? size : 1);
        }
      }
    },
  };
}
