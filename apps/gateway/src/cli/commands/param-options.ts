import { type Command, InvalidArgumentError, Option } from "commander";
import type { OperationReply } from "../service/replies.ts";
import { wrongUse } from "../terminal/failure.ts";

/** The part of a JSON Schema that decides how a param is given. */
interface ParamSchema {
  type?: string;
  enum?: unknown[];
  description?: string;
}

const toFlag = (name: string) => name.replaceAll("_", "-");
const toProperty = (flag: string) => flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function listParams({ params }: OperationReply): [name: string, schema: ParamSchema][] {
  return Object.entries((params as { properties?: Record<string, ParamSchema> }).properties ?? {});
}

/** Declares an option for each param of the operation that has a simple type. `--param` takes the others. */
export function addParamOptions(command: Command, operation: OperationReply): void {
  const taken = new Set(command.options.map(({ long }) => long));
  for (const [name, schema] of listParams(operation)) {
    const flag = `--${toFlag(name)}`;
    if (taken.has(flag)) continue;
    const usual = operation.usual_params[name];
    const description = schema.description ?? `the param ${name}`;
    if (schema.type === "boolean") {
      // Both are accepted, and the help shows the one that changes something.
      const isUsual = usual === true;
      command.addOption(new Option(flag, description).hideHelp(isUsual));
      command.addOption(new Option(`--no-${toFlag(name)}`, `do not ${description}`).hideHelp(!isUsual));
    } else if (schema.type === "string" || schema.enum) {
      const option = new Option(`${flag} <text>`, description);
      command.addOption(schema.enum ? option.choices(schema.enum.map(String)) : option);
    } else if (schema.type === "integer" || schema.type === "number") {
      command.option(`${flag} <number>`, description, parseNumber);
    }
  }
}

function parseNumber(text: string): number {
  if (text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  throw new InvalidArgumentError("It must be a number.");
}

/** Returns the params that the options give, beside the usual ones of the operation. */
export function readParams(operation: OperationReply, options: Record<string, unknown>): Record<string, unknown> {
  const known = new Map(listParams(operation));
  const params: Record<string, unknown> = { ...operation.usual_params };
  const named = ((options.param as string[] | undefined) ?? []).map(splitParam);
  const byOption = [...known.keys()].flatMap((name): [string, unknown][] => {
    const value = isGeneral(name) ? undefined : options[toProperty(toFlag(name))];
    return value === undefined ? [] : [[name, value]];
  });
  for (const [name, value] of byOption) params[name] = value;
  for (const [name, text] of named) {
    const schema = known.get(name);
    if (!schema) {
      const names = [...known.keys()];
      const fix = names.length > 0 ? `its params are ${names.join(", ")}` : "leave --param out: it has no params";
      throw wrongUse(`${operation.name} has no param ${name}`, fix);
    }
    if (byOption.some(([other]) => other === name)) throw wrongUse(`The param ${name} is given twice`, "keep one");
    params[name] = schema.type === "string" ? text : parseValue(name, text);
  }
  return params;
}

/** Reports whether a general option has the name of the param, so that only `--param` can give it. */
const isGeneral = (name: string) =>
  [
    "file",
    "ids",
    "format",
    "column",
    "target",
    "account",
    "param",
    "again",
    "yes",
    "report",
    "json",
    "server",
  ].includes(name);

function splitParam(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw wrongUse(`--param ${text}: there is no name`, "write it as --param name=value");
  return [text.slice(0, at), text.slice(at + 1)];
}

function parseValue(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw wrongUse(
      `--param ${name}: ${JSON.stringify(text.slice(0, 40))} is no JSON value`,
      "write it as JSON, such as true, 5 or [1,2]",
    );
  }
}
