import { describe, expect, test } from "vitest";
import { ReinstateError } from "../errors/errors.ts";
import {
  findFlags,
  findFlagsInJson,
  findFlagsInValue,
  readSafetyFlags,
  resemblesSafetyFlag,
  safetyFlagNamed,
  withSafetyFlags,
} from "./safety-flags.ts";

const fromQuery = (query: string) =>
  readSafetyFlags({ place: "query", fields: findFlags(new URLSearchParams(query)), supported: ["dry_run", "explain"] });
const fromJson = (text: string, supported = ["dry_run"]) =>
  readSafetyFlags({ place: "body", fields: findFlagsInJson(text), supported });

/** Returns the paths of the issues with which something is rejected. */
function rejectedPaths(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (ReinstateError.is(error, "invalid_request")) return error.issues.map(({ path }) => path);
    throw error;
  }
  return [];
}

describe("names of safety flags", () => {
  test.each(["dry_run", "DRY_RUN", "dryRun", "DryRun", "dry-run", "Dry-Run", "dryrun"])(
    "reads %s as dry_run",
    (name) => {
      expect(safetyFlagNamed(name)).toBe("dry_run");
      expect(fromQuery(`${name}=true`)).toEqual({ dry_run: true });
    },
  );

  test.each([
    ...["dry_run[]", "dry_run[0]", "options[dry_run]", "x-dry-run", "X-Reinstate-Dry-Run", "dry run", "dry.run"],
    ...["is_dry_run", "dry_runs", " dry_run", "ｄｒｙ＿ｒｕｎ", "dry\u200b_run", "explain_only", "consentGuards"],
    // Letters of other scripts.
    ...["drу_run", "dry_rυn", "ехplain"],
  ])("rejects the look-alike %s", (name) => {
    expect(resemblesSafetyFlag(name)).toBe(true);
    expect(rejectedPaths(() => fromQuery(new URLSearchParams([[name, "false"]]).toString()))).toEqual([name]);
  });

  test.each(["dry", "run", "explanation", "consent", "guard", "laundry", "status", "custom_fields", "ids[]"])(
    "leaves %s alone",
    (name) => expect(resemblesSafetyFlag(name)).toBe(false),
  );
});

describe("values of safety flags", () => {
  test.each(["true", "TRUE", "1", "yes", "y", "T", "on", "", " ", " true "])("reads %j as yes", (word) => {
    expect(fromQuery(`dry_run=${encodeURIComponent(word)}`)).toEqual({ dry_run: true });
    expect(fromJson(JSON.stringify({ dry_run: word }))).toEqual({ dry_run: true });
  });

  test.each(["false", "False", "0", "no", "N", "f", "off"])("reads %j as no", (word) => {
    expect(fromQuery(`dry_run=${word}`)).toEqual({ dry_run: false });
  });

  test.each(["maybe", "2", "-1", "1.0", "null", "undefined", "[true]", "yes please", "`true`"])(
    "rejects %j",
    (word) => {
      expect(rejectedPaths(() => fromQuery(`dry_run=${encodeURIComponent(word)}`))).toEqual(["dry_run"]);
    },
  );

  test("reads booleans, 1 and 0 of JSON and rejects every other value", () => {
    expect(fromJson('{"dry_run":true}')).toEqual({ dry_run: true });
    expect(fromJson('{"dry_run":1}')).toEqual({ dry_run: true });
    expect(fromJson('{"dry_run":false}')).toEqual({ dry_run: false });
    expect(fromJson('{"dry_run":0}')).toEqual({ dry_run: false });
    for (const value of ["null", "[]", "[true]", "{}", '{"value":true}', "2", "1.5"]) {
      expect(rejectedPaths(() => fromJson(`{"dry_run":${value}}`))).toEqual(["dry_run"]);
    }
  });

  test("rejects two different values and takes equal ones", () => {
    expect(fromQuery("dry_run=yes&dryRun=on&DRY-RUN")).toEqual({ dry_run: true });
    expect(rejectedPaths(() => fromQuery("dry_run=true&dry_run=false"))).toEqual(["dry_run"]);
    expect(rejectedPaths(() => fromQuery("dry_run=no&dryRun="))).toEqual(["dryRun"]);
    expect(fromJson('{"dry_run":true,"dry_run":1}')).toEqual({ dry_run: true });
    expect(rejectedPaths(() => fromJson('{"dry_run":true,"dry_run":false}'))).toEqual(["dry_run"]);
    const other = { place: "path" as const, fields: [{ path: ["dry_run"], value: true }], supported: ["dry_run"] };
    const fields = findFlags([["dry_run", "off"]]);
    expect(rejectedPaths(() => readSafetyFlags(other, { place: "query", fields, supported: ["dry_run"] }))).toEqual([
      "dry_run",
    ]);
  });
});

describe("places of safety flags", () => {
  test("rejects a flag that the call does not support, whatever its value", () => {
    expect(rejectedPaths(() => fromQuery("consent_guard=false"))).toEqual(["consent_guard"]);
    const fields = findFlags(new Headers({ "Dry-Run": "false", accept: "*/*" }));
    expect(rejectedPaths(() => readSafetyFlags({ place: "header", fields }))).toEqual(["dry-run"]);
  });

  test("finds nested, escaped, repeated and hidden properties of JSON", () => {
    expect(rejectedPaths(() => fromJson('{"options":{"dry_run":true}}'))).toEqual(["options.dry_run"]);
    expect(rejectedPaths(() => fromJson('[{"dry_run":true}]'))).toEqual(["0.dry_run"]);
    expect(fromJson('{"dry\\u005frun":"yes"}')).toEqual({ dry_run: true });
    expect(fromJson('{"text":"\\"dry_run\\":false","dry_run" : true}')).toEqual({ dry_run: true });
    expect(rejectedPaths(() => fromJson('{"options":{"dry_run":true},"options":{}}'))).toEqual(["options.dry_run"]);
    expect(fromJson('{"params":{"consentGuard":"on"}}', ["params.consent_guard"])).toEqual({
      "params.consent_guard": true,
    });
    expect(findFlagsInJson('"dry_run"')).toEqual([]);
    expect(findFlagsInJson('{"note":"dry_run"}')).toEqual([]);
  });

  test("leaves names inside the caller's own data alone", () => {
    const data = ["custom_fields"];
    expect(findFlagsInJson('{"custom_fields":{"explain":1},"custom_fields[dry_run]":1}', { data })).toEqual([]);
    expect(findFlags([["custom_fields[explain]", "1"]], data)).toEqual([]);
    expect(findFlagsInValue({ profile: { custom_fields: { explain: 1 } } }, { data })).toHaveLength(1);
  });

  test("reads large and deeply nested JSON", () => {
    const deep = `{"dry_run":true,"deep":${'{"a":'.repeat(100_000)}{"dry_run":1}${"}".repeat(100_000)}}`;
    expect(findFlagsInJson(deep)).toHaveLength(2);
    const escapes = JSON.stringify({ text: "\\".repeat(4_000_000), dry_run: true });
    expect(fromJson(escapes)).toEqual({ dry_run: true });
    const many = `{${Array.from({ length: 1000 }, (_, n) => `"dry_run_${n}":1`).join()}}`;
    expect(rejectedPaths(() => fromJson(many))).toHaveLength(100);
  });

  test("names the field, its value and the way out", () => {
    expect(() => fromQuery("dry_run=maybe")).toThrow('dry_run: is "maybe"; it must be true or false');
    expect(() => fromQuery("dry_run[]=true")).toThrow(
      "dry_run[]: is not supported in the query of this call; remove it",
    );
    expect(() => fromQuery("dry_run=1&dry_run=0")).toThrow("dry_run: is given both as true and as false; give it once");
  });

  test("replaces every spelling by the flag's own name", () => {
    expect(withSafetyFlags({ dryRun: "yes", ids: [1] }, { dry_run: true })).toEqual({ ids: [1], dry_run: true });
    expect(withSafetyFlags({ ids: [1] }, { dry_run: undefined })).toEqual({ ids: [1] });
  });
});

describe("values of a query or a header", () => {
  const findNames = (pairs: URLSearchParams | Headers) => findFlags(pairs).map(({ path }) => path.join("."));

  test.each(["a=b;dry_run=true", "x=1;dry_run", "x=1; explain=1", "name=;consent_guard=on"])(
    "hide no flag after a semicolon: %s",
    (query) => {
      expect(findNames(new URLSearchParams(query))).toHaveLength(1);
    },
  );

  test.each([
    ["prefer", "dry-run"],
    ["prefer", "respond-async, dry-run=true"],
    ["cookie", "session=1; dry_run=true"],
    ["content-type", "application/json; dry_run=true"],
  ])("hide no flag in the header %s: %s", (name, value) => {
    expect(findNames(new Headers({ [name]: value }))).toEqual([name]);
  });

  test("may be texts with semicolons", () => {
    expect(findNames(new URLSearchParams("q=a; dry humour; explain this"))).toEqual([]);
    expect(findFlags([["note", "a; explain"]])).toEqual([]);
  });
});
