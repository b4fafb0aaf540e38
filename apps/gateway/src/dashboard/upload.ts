import { createHash } from "node:crypto";
import { once } from "node:events";
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import { ReinstateError } from "@reinstate/batch-core";
import { bodyParts } from "@reinstate/batch-core/http";

/** Maximum size of an upload in bytes. */
const uploadLimit = 1024 ** 3;
/** Maximum size of a field in bytes, such as pasted ids. */
const fieldLimit = 8 * 1024 * 1024;

/** A form with a file. The file can be read once, and only as it arrives. */
export interface Upload {
  fields: Record<string, string>;
  file: { name: string; parts: AsyncIterable<Uint8Array> } | undefined;
  /** Returns the SHA-256 digest of what has been read: the fields, and the file so far. */
  digest(): string;
}

/**
 * Reads a multipart form up to its file. Fields after the file are ignored.
 *
 * @throws ReinstateError `invalid_request` if the body is no form or a field is too large; `body_too_large`; `broken_body`
 */
export async function readUpload(request: Request): Promise<Upload> {
  const hash = createHash("sha256");
  const fields: Record<string, string> = Object.create(null);
  const form = openForm(request);
  let open: BusboyFileStream | undefined;
  form.on("field", (name, value, _nameCut, isCut) => {
    if (isCut) return void form.destroy(tooLong(name));
    fields[name] = value;
    if (name !== "key") hash.update(`${JSON.stringify([name, value])}\n`);
  });
  const upload = new Promise<Upload>((resolve, reject) => {
    const done = (file?: Upload["file"]) => resolve({ fields, file, digest: () => hash.digest("hex") });
    form.on("file", (_field, stream, name) => {
      open = stream;
      // A form without a chosen file sends an empty name.
      if (name) return done({ name, parts: readFile(stream, (part) => hash.update(part)) });
      stream.resume();
    });
    form.on("finish", () => done());
    form.on("error", (error) => reject(toFault(error)));
  });
  feed(request, form).catch((error: Error) => {
    // The reader of the file must learn of a body that ends too early.
    open?.destroy(error);
    form.destroy(error);
  });
  return upload;
}

function openForm({ headers }: Request): BusboyInstance {
  try {
    return new Busboy({
      headers: { "content-type": headers.get("content-type") ?? "" },
      limits: { fieldSize: fieldLimit, fields: 100, files: 1 },
    });
  } catch (error) {
    throw toFault(error);
  }
}

async function feed(request: Request, form: BusboyInstance): Promise<void> {
  for await (const part of bodyParts(request, uploadLimit)) {
    if (form.destroyed) return;
    if (!form.write(part)) await Promise.race([once(form, "drain"), once(form, "close")]);
  }
  form.end();
}

async function* readFile(stream: BusboyFileStream, seen: (part: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of stream as AsyncIterable<Uint8Array>) {
      seen(part);
      yield part;
    }
  } catch (error) {
    throw toFault(error);
  }
}

const tooLong = (name: string) =>
  new ReinstateError("invalid_request", `${name}: must have at most ${fieldLimit} bytes`, {
    issues: [{ path: name, message: `must have at most ${fieldLimit / 1024 / 1024} MB; choose a file instead` }],
  });

/** Faults of the form's syntax are the caller's. */
function toFault(error: unknown): unknown {
  if (ReinstateError.is(error)) return error;
  return new ReinstateError("invalid_request", "The form cannot be read", {
    cause: error,
    issues: [{ path: "form", message: "cannot be read; load the page again and send it once more" }],
  });
}
