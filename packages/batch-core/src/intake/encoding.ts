/** Bytes that are processed before yielding to the event loop. */
const sliceSize = 16 * 1024;

/** Replaces bytes that cannot be decoded. A UTF-16 file that contains it is damaged. */
const replacement = "\ufffd";

/**
 * Yields a source in slices of at most 16 KiB. Converts UTF-16 with a byte order mark, which spreadsheets save as "Unicode text", to
 * UTF-8. An unpaired surrogate becomes U+FFFD, which `decodeLine` rejects.
 */
export async function* utf8Slices(
  source: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<{ bytes: Uint8Array; isUtf16: boolean }, void, undefined> {
  let head: Uint8Array | undefined = new Uint8Array();
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  const decoded = (bytes: Uint8Array) =>
    decoder
      ? { bytes: Buffer.from(decoder.decode(bytes, { stream: true })), isUtf16: true }
      : { bytes, isUtf16: false };
  for await (const part of source) {
    let bytes: Uint8Array = typeof part === "string" ? Buffer.from(part) : part;
    if (head) {
      bytes = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      head = bytes.length < 2 ? bytes : undefined;
      if (head) continue;
      const label = utf16Label(bytes);
      if (label) decoder = new TextDecoder(label);
    }
    for (let at = 0; at < bytes.length; at += sliceSize) yield decoded(bytes.subarray(at, at + sliceSize));
  }
  if (head && head.length > 0) yield { bytes: head, isUtf16: false };
  if (decoder) yield { bytes: Buffer.from(decoder.decode()), isUtf16: true };
}

function utf16Label(bytes: Uint8Array): "utf-16le" | "utf-16be" | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  return bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Decodes a line. Returns its text, or its fault. */
export function decodeLine(bytes: Uint8Array, isUtf16: boolean): { text: string } | { fault: string } {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { fault: "is not UTF-8; save the file as “CSV UTF-8”, or convert it with iconv" };
  }
  if (isUtf16 && text.includes(replacement)) return { fault: "is not UTF-16; save the file as “CSV UTF-8”" };
  if (text.includes("\0")) return { fault: "holds a NUL character; save the file as “CSV UTF-8”" };
  return { text };
}
