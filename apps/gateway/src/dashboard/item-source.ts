import { type ItemStream, openItemStream } from "../items/item-stream.ts";
import { invalidInput } from "./invalid-input.ts";

/**
 * Opens pasted or uploaded items. `name`: the name of the file.
 *
 * @throws ReinstateError `invalid_request` for another encoding or a malformed JSON array
 */
export const openItems = (parts: AsyncIterable<Uint8Array>, name?: string): Promise<ItemStream> =>
  openItemStream(parts, {
    ...(name !== undefined && { name }),
    fault: (what, fix, why) => invalidInput("items", [what, why, fix].filter(Boolean).join("; ")),
  });

/** Yields a pasted text. Ids with commas or spaces between them get a line each. */
export async function* readPasted(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(/^[\d\s,;]+$/.test(text) ? `${text.trim().replace(/[\s,;]+/g, "\n")}\n` : text);
}
