import type { Admission } from "../admission/admission.ts";
import type { Key } from "../keys/keys.ts";
import { decodeUtf8 } from "./read-body.ts";

/**
 * The form in which an API takes a secret: `Authorization: Bearer …`, `Authorization: Basic …`, `Authorization: Key=…`, or a
 * header of its own.
 */
export type CredentialForm = "bearer" | "basic" | "key" | { header: string };

/** The secret of a caller, with a user name in `Basic`. */
export interface Credentials {
  /** The user of `Basic`; empty in the other forms. */
  user: string;
  secret: string;
}

const forms = {
  bearer: /^Bearer +(\S+) *$/i,
  basic: /^Basic +([A-Za-z0-9+/]+=*) *$/i,
  key: /^Key=(\S+)$/,
};

/**
 * Returns the credentials of a request in one form; undefined without them, and if they are malformed. They need not be valid.
 *
 * @example const account = readCredentials(request, { header: "account-id" })?.secret;
 */
export function readCredentials({ headers }: Request, form: CredentialForm): Credentials | undefined {
  const text = typeof form === "string" ? readAuthorization(headers, form) : headers.get(form.header)?.trim();
  if (text === undefined || text === "") return undefined;
  if (form !== "basic") return { user: "", secret: text };
  const pair = decodeUtf8(Buffer.from(text, "base64"));
  const colon = pair?.indexOf(":") ?? -1;
  if (pair === undefined || colon < 0) return undefined;
  return { user: pair.slice(0, colon), secret: pair.slice(colon + 1) };
}

/**
 * Returns the valid key of a vendor that a request shows; undefined without one.
 *
 * @throws ReinstateError `too_many_requests` for too many calls of the key, or too many wrong keys of the address.
 * @example
 * const key = await authenticate(host.admission, request, { vendor: "zendesk", form: "bearer" });
 * if (!key) throw apiError("bad_key");
 */
export async function authenticate(
  admission: Admission,
  request: Request,
  { vendor, form }: { vendor: string; form: CredentialForm },
): Promise<Key | undefined> {
  const secret = readCredentials(request, form)?.secret;
  return secret === undefined ? undefined : admission.findKey(request, vendor, secret);
}

const readAuthorization = (headers: Headers, form: keyof typeof forms): string | undefined =>
  forms[form].exec(headers.get("authorization") ?? "")?.[1];
