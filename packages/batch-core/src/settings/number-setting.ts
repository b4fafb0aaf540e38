import * as z from "zod";

/** The least and the greatest value of a setting. */
interface Range {
  least: number;
  most: number;
}

/**
 * Accepts a whole number as a setting: a number, or a text of digits alone. `1e3`, ` 5 ` and an empty text are rejected, because
 * they may stand for another number. The message follows the name of the setting.
 *
 * @example wholeNumber({ least: 1, most: 500 }).parse("20") // 20
 */
export const wholeNumber = (range: Range) => numberSetting(range, /^\d{1,16}$/, "whole number");

/** Accepts a number with or without decimals as a setting, in the same way: `0.5`. */
export const decimalNumber = (range: Range) => numberSetting(range, /^\d{1,16}(\.\d{1,6})?$/, "number");

function numberSetting({ least, most }: Range, form: RegExp, kind: string) {
  const message = `must be a ${kind} from ${least} to ${most}`;
  return z.union([z.string(), z.number()], { error: message }).transform((given, { issues }) => {
    const value = form.test(String(given)) ? Number(given) : Number.NaN;
    if (value >= least && value <= most) return value;
    issues.push({ code: "custom", message, input: given });
    return z.NEVER;
  });
}
