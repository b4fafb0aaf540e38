/**
 * Splits rows that were read with a limit of `limit + 1` into a page and the cursor of the next one, null on the last page.
 *
 * @example
 * const { page, next } = cursorPage(await store.list(account, { after, limit: limit + 1 }), limit, ({ id }) => id);
 * return c.json({ tickets: page, next });
 */
export function cursorPage<Row, Cursor>(
  rows: readonly Row[],
  limit: number,
  toCursor: (last: Row) => Cursor,
): { page: Row[]; next: Cursor | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, next: rows.length > limit && last !== undefined ? toCursor(last) : null };
}
