/** Returns the members that are not null. In every format, null means absent. */
export const withoutNulls = (members: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
