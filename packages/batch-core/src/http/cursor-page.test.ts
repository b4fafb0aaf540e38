import { expect, test } from "vitest";
import { cursorPage } from "./cursor-page.ts";

test.each([
  [[], { page: [], next: null }],
  [[1], { page: [1], next: null }],
  [[1, 2], { page: [1, 2], next: null }],
  [[1, 2, 3], { page: [1, 2], next: "2" }],
])("splits %j into a page of two and its cursor", (rows, expected) => {
  expect(cursorPage(rows, 2, String)).toEqual(expected);
});
