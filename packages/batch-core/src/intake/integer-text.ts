import * as z from "zod";
import { shownCharacters, showValue } from "../text/show-value.ts";

/** Digits only, or a lossless form in which a spreadsheet shows an integer: `123.0`, `1e+05`. */
const integerForm = /^-?\d+(?:\.0|e\+\d\d)?$/i;

/** Digits of any script with the signs that spreadsheets put between them. */
const spreadsheetForm = /^[-+−]?(?:\p{Nd}|[\s.,'’٫٬_])*\p{Nd}(?:\p{Nd}|[\s.,'’٫٬_])*(?:e[-+]?\d+)?$/iu;

/** An integer that was read from text, or the fault of the text. */
export type IntegerText = { integer: number; fault?: undefined } | { integer?: undefined; fault: string };

/**
 * Reads an integer from text, by the same rule everywhere. Accepts digits with spaces around them, and `123.0` and `1e+05`, which are
 * lossless. Rejects thousands separators, other decimals and other scripts, because a spreadsheet may have changed the id.
 *
 * @example parseInteger(" 42 ") // { integer: 42 }
 * @example parseInteger("1.000") // { fault: '"1.000" looks like a spreadsheet number; format the column as text' }
 */
export function parseInteger(text: string): IntegerText {
  const trimmed = text.trim();
  if (integerForm.test(trimmed)) {
    const integer = Number(trimmed);
    if (Number.isSafeInteger(integer) && !Object.is(integer, -0)) return { integer };
    if (integer !== 0)
      return { fault: `${showValue(text)} is beyond ${Number.MAX_SAFE_INTEGER}, the largest exact integer` };
  }
  if (trimmed.length <= shownCharacters && spreadsheetForm.test(trimmed)) {
    return { fault: `${showValue(text)} looks like a spreadsheet number; format the column as text` };
  }
  return { fault: `${showValue(text)} is not an integer; write it with the digits 0 to 9 alone` };
}

/** The schema of an integer in a query or a setting, read by `parseInteger`. */
export const integerText = z.string().transform((text, { issues }) => {
  const { integer, fault } = parseInteger(text);
  if (integer !== undefined) return integer;
  issues.push({ code: "custom", message: fault, input: text });
  return z.NEVER;
});
