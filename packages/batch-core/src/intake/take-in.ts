import { type Issue, invalidRequest } from "../errors.ts";
import type { Intake } from "../intake.ts";
import type { AnyOperation } from "../operation.ts";
import { readCsv } from "./csv.ts";
import { createDesk, type Desk } from "./desk.ts";
import { createIntegerSink } from "./integers.ts";
import { type ItemShape, itemShapeOf } from "./item-schema.ts";
import { readNdjson } from "./ndjson.ts";
import type { Sink } from "./sink.ts";
import { createSpool } from "./spool.ts";

export interface TakeInOptions {
  /** One JSON value a line, or a table. */
  format: "ndjson" | "csv";
  /** The column that holds the items, in a table of items that are not objects. */
  column?: string | undefined;
}

/**
 * Takes in the items of a batch, any number of them, as they arrive. Resolves when the source has ended and every item is
 * valid; `close` the answer when its chunks have been read. Throws `invalid_request` with the first 100 bad lines, and
 * whatever the source throws; nothing is left behind then.
 */
export function takeIn(
  operation: AnyOperation,
  source: AsyncIterable<Uint8Array>,
  { format, column }: TakeInOptions,
): Promise<Intake> {
  const none = { path: "body", message: "A batch needs at least one item" };
  return filled(operation, none, (desk, shape) =>
    format === "csv" ? readCsv(source, desk, shape, column) : readNdjson(source, desk),
  );
}

/** The same with the items that a filter finds. */
export function takeFound(operation: AnyOperation, pages: AsyncIterable<readonly unknown[]>): Promise<Intake> {
  return filled(operation, { path: "filter", message: "finds nothing" }, async (desk) => {
    let number = 0;
    for await (const page of pages) for (const item of page) desk.take(item, ++number);
  });
}

async function filled(
  operation: AnyOperation,
  none: Issue,
  fill: (desk: Desk, shape: ItemShape) => Promise<void>,
): Promise<Intake> {
  const shape = itemShapeOf(operation);
  const sink: Sink<never> = shape.integers ? createIntegerSink() : createSpool(operation.key);
  try {
    const desk = createDesk(operation, sink as Sink<unknown>);
    await fill(desk, shape);
    desk.assertClean();
    const sealed = await sink.seal();
    if (sealed.total > 0) return { ...sealed, close: sink.close };
    throw invalidRequest(none);
  } catch (error) {
    sink.close();
    throw error;
  }
}
