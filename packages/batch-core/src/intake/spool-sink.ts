import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { packLines } from "../batch/chunk-codec.ts";
import type { ItemKey } from "../operation/operation.ts";
import type { Sink } from "./sink.ts";

/** Chunks after which others have their turn. */
const chunksInARow = 20;

/**
 * Items of any shape, however many, in the order in which they came: they lie in a database file of this intake's own, so
 * memory does not grow with them.
 */
export function createSpoolSink<Item>(key: (item: Item) => ItemKey): Sink<Item> {
  // No name: SQLite makes a file without one, which is gone with the connection or the process, however it ends.
  const db = new DatabaseSync("");
  db.exec("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -16384");
  // The key's column has no type, so the number 1 and the text "1" stay two.
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
