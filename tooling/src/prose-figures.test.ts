import { expect, test } from "vitest";
import { countWords, mean, median, readSentences, readTestNames } from "./prose-figures.ts";

test("reads sentences without code, tables and headings", () => {
  const markdown =
    "# Title\n\nOne `a.b. C` two. Three [four](https://x.y/Z. A)!\n\n| a. B |\n\n```\nNo. Code.\n```\n- Item one\n- Item two";
  expect(readSentences(markdown)).toEqual(["One code two.", "Three [four]!", "- Item one", "- Item two"]);
});

test("reads the names of tests", () => {
  const source = 'describe("a", () => {\n  test("reads one", () => {});\n  test.each([1])("reads %s", () => {});\n});';
  expect(readTestNames(source)).toEqual(["reads one", "reads %s"]);
});

test("counts words, their mean and their median", () => {
  expect(countWords("one, two - three")).toBe(3);
  expect(mean([1, 2, 6])).toBe(3);
  expect(median([5, 1, 9])).toBe(5);
});
