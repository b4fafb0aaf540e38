import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../program.ts";
import { openWorkplace, readEvents, runCommand, type Workplace } from "../../testing/command-line.ts";

const readPage = (page: string) =>
  readFileSync(new URL(`../../../../../docs/reference/${page}`, import.meta.url), "utf8");

/** The help of every command, of those with options of a vendor too. */
async function readHelps(): Promise<string[]> {
  const helps: string[] = [];
  const visit = (command: Command) => {
    let help = "";
    command.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    command.outputHelp();
    helps.push(help);
    command.commands.forEach(visit);
  };
  visit(createProgram([]));
  helps.push((await runCommand(["import", "--help"])).out);
  return helps;
}

/** Lists the command lines of a text, without their notes and redirections. */
const listExamples = (text: string) =>
  [...text.matchAll(/^ *reinstate ((?:(?! {2}| >).)+)/gm)].map(([, line = ""]) => line.trim());

/** Runs a line. Words in double quotes are one argument. */
const runLine = (place: Workplace, line: string) =>
  place.run([...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ""));

/** Runs examples in order on one ledger with demo records, and returns those that end otherwise than done or with failed items. */
async function runExamples(lines: readonly string[]): Promise<string[]> {
  await using place = openWorkplace({ PORT: "0" });
  place.write("promoters.csv", `promoter_id\n${Array.from({ length: 1000 }, (_, at) => `${at + 1}\n`).join("")}`);
  const wrong: string[] = [];
  for (const line of lines) {
    if (line.startsWith("serve")) continue;
    const { status, err } = await runLine(place, line);
    if (status !== 0 && status !== 3) wrong.push(`reinstate ${line}: ${status}\n${err}`);
  }
  return wrong;
}

describe("the examples", () => {
  test("of every help run", async () => {
    const sections = (await readHelps()).map((help) => /^Examples?:\n((?: {2}.+\n)+)/m.exec(help)?.[1] ?? "");
    const lines = sections.flatMap(listExamples);
    expect(lines.length).toBeGreaterThan(15);
    // The help comes before the batches that its examples name.
    const first = (line: string) => (line.startsWith("restore firstpromoter --ids") ? 0 : 1);
    expect(await runExamples(lines.sort((one, other) => first(one) - first(other)))).toEqual([]);
  });

  test("of the reference run in order", async () => {
    const blocks = [...readPage("cli.md").matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) =>
      listExamples(block),
    );
    expect(blocks.length).toBeGreaterThan(7);
    expect(await runExamples(blocks)).toEqual([]);
  });
});

describe("the events", () => {
  test("of a run are valid by the published schema", async () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
      JSON.parse(readPage("cli-events.schema.json")),
    );
    await using place = openWorkplace();
    const runs = [
      "restore vicidial --ids 1-3000 --json",
      "restore firstpromoter --ids 1-5 --account acc_demo --json --dry-run --no-report",
      "batches retry 1 --json --no-report",
      "batches watch 1 --json",
    ];
    for (const line of runs) {
      const { out } = await runLine(place, line);
      const events = readEvents(out);
      expect(events.at(-1)?.event).toBe("finished");
      for (const event of events) {
        expect(validate(event), `${JSON.stringify(event)} ${JSON.stringify(validate.errors)}`).toBe(true);
      }
    }
    expect(validate({ event: "progress", batch: 1 })).toBe(false);
    expect(validate({ event: "other" })).toBe(false);
  });
});
