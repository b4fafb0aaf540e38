import { expect, test } from "vitest";
import { encodeCursor, parseProfileCursor } from "./cursor.ts";

test("a cursor is base58 of the place where the page ended", () => {
  const cursor = encodeCursor({ profile_id: "6531130b2fcc9ece4b686ac0", resource_id: 1, db_id: 1 });
  expect(cursor).toMatch(/^[1-9A-HJ-NP-Za-km-z]+$/);
  expect(parseProfileCursor(cursor)).toBe("6531130b2fcc9ece4b686ac0");
});

test.each([
  { profile_id: "a_b", resource_id: 26, db_id: 1, channel: "telegram_bot", status: "suspended" as const },
  { profile_id: "ж", resource_id: 26 },
])("%j is read back", (place) => {
  expect(parseProfileCursor(encodeCursor(place))).toBe(place.profile_id);
});

test.each(["", "0", "abc", "!", "1".repeat(500)])("%s is no cursor", (text) => {
  expect(parseProfileCursor(text)).toBeUndefined();
});
