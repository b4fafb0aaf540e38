import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { packLines } from "../batch/chunk-codec.ts";
import type { ItemKey } from "../operation/operation.ts";
import type { Sink } from "./sink.ts";

/** Chunks that are built before yielding to the event loop. */
const chunksInARow = 20;

/**
 * Creates a sink for any number of items of any shape, in their order. The items are stored in a temporary database file, so memory is
 * constant.
 */
export function createSpoolSink<Item>(key: (item: Item) => ItemKey): Sink<Item> {
  // Without a name, SQLite creates a temporary file, which is deleted with the connection or the process.
  const db = new DatabaseSync("");
  db.exec("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -16384");
  // The key column has no type, so the number 1 and the text "1" stay distinct.
  db.exec("create table items (seq integer primary key, key not null unique, line text not null); begin");
  const insert = db.prepare("insert or ignore into items (key, line) values (?, ?)");
  let total = 0;
  let duplicates = 0;
  return {
    add(item) {
      if (insert.run(key(item), JSON.stringify(item)).changes === 1) total++;
      else duplicates++;
    },

    async finish() {
      return {
        total,
        duplicates,
        async *chunks(chunkSize) {
          let lines: string[] = [];
          let made = 0;
          for (const { line } of db.prepare("select line from items order by seq").iterate()) {
            lines.push(line as string);
            if (lines.length < chunkSize) continue;
            yield { packed: packLines(lines) };
            lines = [];
            if (++made % chunksInARow === 0) await setImmediate();
          }
          if (lines.length > 0) yield { packed: packLines(lines) };
        },
      };
    },

    close() {
      db.close();
    },
  };
}
