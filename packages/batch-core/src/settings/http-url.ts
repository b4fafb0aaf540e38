import * as z from "zod";

/** Reports whether `fetch` can call the URL as it stands: `URL` itself would repair white space and accept a bare `%`. */
const isHttpUrl = (text: string) =>
  /^https?:\/\/[^/\s]\S*$/i.test(text) && !/%(?![0-9a-f]{2})/i.test(text) && URL.canParse(text);

function hasCredentials(text: string): boolean {
  const { username, password } = new URL(text);
  return username !== "" || password !== "";
}

/** Validates the URL of a page. A user or a password in it would show wherever the URL is named. */
export const httpUrl = z
  .string()
  .refine(isHttpUrl, { error: "must be an http or https URL", abort: true })
  .refine((text) => !hasCredentials(text), { error: "must not hold a user or a password" });

/** Validates what stands before the paths of an API: a query or a fragment would swallow them. */
export const httpBaseUrl = httpUrl.refine((text) => !/[?#]/.test(text), {
  error: "must not have a query or a fragment, because paths are appended to it",
});
