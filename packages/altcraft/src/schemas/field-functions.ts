import { fields } from "./fields.ts";

/** Returns whether the function `incr` can add a value, or add to it. */
export const isNumeric = (value: unknown) =>
  (typeof value === "number" || (typeof value === "string" && value.trim() !== "")) && Number.isFinite(Number(value));

/** The vendor's error text, from its push API. */
export const unfitField = "failed convert custom field";

/** Functions that may replace the value of a field: `{ "action": "incr", "value": 1 }`. Page: profiles/3113721. */
export const fieldActions = ["set", "unset", "incr", "add", "delete", "upsert"] as const;
export type FieldAction = (typeof fieldActions)[number];

/** Returns the function that a value of a field calls; undefined if it is a plain value. The action may be unknown. */
export function readFieldCall(value: unknown): { action: unknown; value: unknown } | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "action")) return undefined;
  const { action, value: operand } = value as { action: unknown; value?: unknown };
  return { action, value: operand ?? undefined };
}

const isFieldAction = (action: unknown) => fieldActions.some((known) => known === action);

/** Schema of `custom_fields` in a request: for each field a value, null to remove it, or a function. */
export const customFields = fields.superRefine((given, context) => {
  for (const [name, value] of Object.entries(given)) {
    const call = readFieldCall(value);
    if (!call) continue;
    const fits =
      isFieldAction(call.action) && (call.action !== "incr" || call.value === undefined || isNumeric(call.value));
    if (!fits) context.addIssue({ code: "custom", path: [name], message: unfitField });
  }
});
