import { ReinstateError } from "@reinstate/batch-core";
import { decodeUtf8, readBody } from "@reinstate/batch-core/http";
import { formatCount } from "./format.ts";
import { invalidInput } from "./invalid-input.ts";
import { readTypedNumber, typedAbove } from "./pages/forms.ts";

/** Maximum size of a form without a file, in bytes. */
const formLimit = 64 * 1024;

/** Reads the fields of a form. Of fields that are sent more than once, the last one counts. */
export async function readForm(request: Request): Promise<Record<string, string>> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) throw invalidInput("form", "must be a form of this page");
  const text = decodeUtf8(await readBody(request, formLimit));
  if (text === undefined) throw invalidInput("form", "is not UTF-8");
  return Object.assign(Object.create(null), Object.fromEntries(new URLSearchParams(text)));
}

/** Checks the number that was typed for a large change. @throws ReinstateError `invalid_request` */
export function checkTypedNumber(form: Readonly<Record<string, string>>, count: number): void {
  if (count <= typedAbove || readTypedNumber(form.confirm ?? "") === count) return;
  throw invalidInput("confirm", `must be ${formatCount(count)}, the number of items; go back and type it`);
}

/** Reads the key that makes repeats of a form harmless. */
export function readFormKey({ key = "" }: Readonly<Record<string, string>>): string {
  if (/^[\w-]{16,64}$/.test(key)) return key;
  throw new ReinstateError("invalid_request", "key: is missing; load the page again", {
    issues: [{ path: "key", message: "is missing; load the page again" }],
  });
}
