import { decodeUtf8 } from "./read-body.ts";

/**
 * The form in which an API takes a secret: `Authorization: Bearer …`, `Authorization: Basic …`, `Authorization: Key=…`, or a
 * header of its own.
 */
export type CredentialForm = "bearer" | "basic" | "key" | { header: string };

/** What a caller shows to be recognized. */
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
 * Returns the credentials of a request in one form; undefined without them, and if they are malformed. Whether they are valid is
 * for `host.admission.findKey` to say.
 *
 * @example
 * const secret = readCredentials(request, "bearer")?.secret;
 * const key = secret === undefined ? undefined : await host.admission.findKey(request, "zendesk", secret);
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

const readAuthorization = (headers: Headers, form: keyof typeof forms): string | undefined =>
  forms[form].exec(headers.get("authorization") ?? "")?.[1];
