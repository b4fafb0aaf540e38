import * as z from "zod";

/** Reports whether `fetch` can call the URL as it stands: `URL` itself would repair white space and accept a bare `%`. */
const isHttpUrl = (text: string) =>
  /^https?:\/\/[^/\s]\S*$/i.test(text) && !/%(?![0-9a-f]{2})/i.test(text) && URL.canParse(text);

function hasCredentials(text: string): boolean {
  const { username, password } = new URL(text);
  return username !== "" || password !== "";
}

/** Validates the URL of a page. Rejects a user and a password, which would appear wherever the URL is shown. */
export const httpUrl = z
  .string()
  .refine(isHttpUrl, { error: "must be an http or https URL", abort: true })
  .refine((text) => !hasCredentials(text), { error: "must not hold a user or a password" });

/** Validates the base URL of an API. Rejects a query and a fragment, which would absorb the paths. */
export const httpBaseUrl = httpUrl.refine((text) => !/[?#]/.test(text), {
  error: "must not have a query or a fragment, because paths are appended to it",
});
