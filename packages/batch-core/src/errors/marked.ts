/**
 * Reports whether an error has the marker of its class. A `Symbol.for` marker is known to every installed version of a package, where
 * `instanceof` knows one.
 *
 * @example
 * const marker = Symbol.for("reinstate.zendesk.refusal");
 * class Refusal extends Error {
 *   readonly [marker] = true;
 *   static is = (value: unknown): value is Refusal => isMarked(value, marker);
 * }
 */
export function isMarked(value: unknown, marker: symbol): boolean {
  return typeof value === "object" && value !== null && marker in value;
}
