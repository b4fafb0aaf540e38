/** The members without those that are null: null is as if left out, in every format. */
export const withoutNulls = (members: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
