import { describe, expect, test } from "vitest";
import { unreadableBody } from "../../fixtures/documented.ts";
import { JsonFault } from "./cursor.ts";
import { parseObject } from "./parse-object.ts";
import { type JsonValue, toText } from "./value.ts";

function readFault(text: string): string {
  try {
    parseObject(text);
  } catch (error) {
    if (error instanceof JsonFault) return error.message;
    throw error;
  }
  throw new Error(`${text} was read`);
}

const echoText = (text: string) => toText(parseObject(`{"a":${text}}`).get("a") as JsonValue);

describe("what is read", () => {
  test.each([
    ["9007199254740993", "9007199254740993"],
    ["-123456789012345678901234567890", "-123456789012345678901234567890"],
    ["0x1F", "31"],
    ["010", "8"],
    ["-0", "0"],
    ["1.0", "1.0"],
    ["1e3", "1e3"],
    [".5", "0.5"],
    ["1.", "1"],
    ["NaN", '"NaN"'],
    ["-Infinity", '"-Infinity"'],
    ["'it\\'s'", `"it's"`],
    ['"\\u00e9\\n"', '"é\\n"'],
    ["[1,2,]", "[1,2]"],
    ["[1,,2]", "[1,null,2]"],
    ["/* c */ [1 // d\n]", "[1]"],
    ["undefined", "null"],
    ["new Date(1)", '"new Date(1)"'],
    ["[new\n X ( true, [2], new (), ) ]", '["new X(true,[2],\\"new ()\\")"]'],
    ['"\\ud83e\\udd8a"', '"🦊"'],
    ['"a\\ud83eb\\udd8a\\ud83e\\ud83e\\udd8a"', '"a\ufffdb\ufffd\ufffd🦊"'],
    ["{b:1,'c':[true,false,null]}", '{"b":1,"c":[true,false,null]}'],
  ])("%s is %s", (text, echo) => {
    expect(echoText(text)).toBe(echo);
  });

  test("integers are told from floats", () => {
    const kinds = (text: string) => parseObject(`{"a":${text}}`).get("a")?.kind;
    expect(["5", "0x5", "05", "-5"].map(kinds)).toEqual(["integer", "integer", "integer", "integer"]);
    expect(["5.0", "5e0", ".5", "NaN"].map(kinds)).toEqual(["float", "float", "float", "float"]);
  });

  test("uses the last repeated value and allows trailing comments", () => {
    expect(parseObject('{"a":1,"a":2} /* end */ // really').get("a")).toMatchObject({ value: 2n });
  });
});

describe("what cannot be read", () => {
  test.each([
    [
      unreadableBody,
      "Unexpected character encountered while parsing number: s. Path 'lead_ids[97]', line 104, position 5.",
    ],
    ["", "Error reading JObject from JsonReader. Path '', line 0, position 0."],
    ["  ", "Error reading JObject from JsonReader. Path '', line 1, position 2."],
    [
      "[1]",
      "Error reading JObject from JsonReader. Current JsonReader item is not an object: StartArray. Path '', line 1, position 1.",
    ],
    [
      "5",
      "Error reading JObject from JsonReader. Current JsonReader item is not an object: Integer. Path '', line 1, position 1.",
    ],
    ["x", "Unexpected character encountered while parsing value: x. Path '', line 0, position 0."],
    ["{", "Error reading JObject from JsonReader. Path '', line 1, position 1."],
    ['{"a":', "Unexpected end of content while loading JObject. Path 'a', line 1, position 5."],
    ['{"a":[1,2', "Unexpected end of content while loading JObject. Path 'a[1]', line 1, position 9."],
    ['{"a":[s]}', "Unexpected character encountered while parsing value: s. Path 'a', line 1, position 6."],
    ['{"a":[1,s]}', "Unexpected character encountered while parsing value: s. Path 'a[0]', line 1, position 8."],
    [
      '{"a":1 "b":2}',
      "After parsing a value an unexpected character was encountered: \". Path 'a', line 1, position 7.",
    ],
    ['{"a":"b', "Unterminated string. Expected delimiter: \". Path 'a', line 1, position 7."],
    ['{"a":1} x', "Additional text encountered after finished reading JSON content: x. Path '', line 1, position 8."],
    ["{-:1}", "Invalid property identifier character: -. Path '', line 1, position 1."],
    ['{"a" 1}', "Invalid character after parsing property name. Expected ':' but got: 1. Path '', line 1, position 5."],
    ['{"a":1]', "JsonToken EndArray is not valid for closing JsonType Object. Path '', line 1, position 7."],
    ['{"a":--5}', "Input string '--5' is not a valid number. Path 'a', line 1, position 8."],
    ['{"a":[1,09]}', "Input string '09' is not a valid number. Path 'a[1]', line 1, position 10."],
    ['{"a":tru}', "Error parsing boolean value. Path 'a', line 1, position 8."],
    ['{"a":new}', "Unexpected character while parsing constructor: }. Path 'a', line 1, position 8."],
    ['{"a":nex', "Unexpected content while parsing JSON. Path 'a', line 1, position 7."],
    ['{"a":newX(1)}', "Unexpected content while parsing JSON. Path 'a', line 1, position 8."],
    ['{"a":ne', "Unexpected end when reading JSON. Path 'a', line 1, position 7."],
    ['{"a":new Dat', "Unexpected end while parsing constructor. Path 'a', line 1, position 12."],
    ['{"a":new Date x', "Unexpected character while parsing constructor: x. Path 'a', line 1, position 14."],
    ['{"a":new Date ', "Unexpected character while parsing constructor: \0. Path 'a', line 1, position 14."],
    ['{"a":new D(x', "Unexpected character encountered while parsing value: x. Path 'a', line 1, position 11."],
    ['{"a":new D(1,tru)}', "Error parsing boolean value. Path 'a[0]', line 1, position 16."],
    [
      '{"a":new D(1]',
      "JsonToken EndArray is not valid for closing JsonType Constructor. Path 'a', line 1, position 13.",
    ],
    ['{"a":[true)}', "Error parsing boolean value. Path 'a', line 1, position 10."],
    ['{"a":new D(1', "Unexpected end of content while loading JObject. Path 'a[0]', line 1, position 12."],
    ['{"a.b":[x', "Unexpected character encountered while parsing value: x. Path '['a.b']', line 1, position 8."],
    [
      '{"a":\r\n\r\n[1,\n x',
      "Unexpected character encountered while parsing value: x. Path 'a[0]', line 4, position 1.",
    ],
    [
      `{"a":${"[".repeat(64)}`,
      `The reader's MaxDepth of 64 has been exceeded. Path 'a${"[0]".repeat(63)}', line 1, position 69.`,
    ],
    [
      `{"a":${"9".repeat(381)}}`,
      `JSON integer ${"9".repeat(381)} is too large to parse. Path 'a', line 1, position 386.`,
    ],
  ])("%j", (text, message) => {
    expect(readFault(text)).toBe(message);
  });
});
