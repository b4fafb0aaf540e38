import { type ESTree, parseSync, Visitor } from "rolldown/utils";

/** Maximum number of lines of a function, without the functions in it. */
export const maxOwnLines = 60;
/** Maximum number of lines of a factory, with the functions that it assembles. */
export const maxFactoryLines = 180;

type FunctionNode = ESTree.Function | ESTree.ArrowFunctionExpression;

/** A function while it is read: its name, and the lines of the functions in it. */
interface OpenFunction {
  node: FunctionNode;
  name: string;
  inner: number;
}

/**
 * Finds functions that are too long, one line each. A factory may be longer than other functions, because its lines belong to the
 * functions that it assembles.
 *
 * @example findLongFunctions("src/ledger.ts", text) // ["src/ledger.ts:25: createLedger has 239 lines; split it by role (at most 180)"]
 */
export function findLongFunctions(file: string, text: string): string[] {
  const { program } = parseSync(file, text, { lang: "ts", astType: "ts" });
  const faults: string[] = [];
  const open: OpenFunction[] = [];
  const names = new Map<unknown, string>();
  const countLines = ({ start, end }: FunctionNode) => text.slice(start, end).split("\n").length;

  const enter = (node: FunctionNode) => {
    const name = ("id" in node && node.id?.name) || names.get(node) || "a function";
    open.push({ node, name, inner: 0 });
  };
  const leave = () => {
    const { node, name, inner } = open.pop() as OpenFunction;
    const lines = countLines(node);
    const parent = open.at(-1);
    if (parent) parent.inner += lines;
    const at = `${file}:${text.slice(0, node.start).split("\n").length}: ${name}`;
    if (lines - inner > maxOwnLines) faults.push(`${at} has ${lines - inner} lines; split it (at most ${maxOwnLines})`);
    else if (lines > maxFactoryLines)
      faults.push(`${at} has ${lines} lines; split it by role (at most ${maxFactoryLines})`);
  };
  new Visitor({
    VariableDeclarator: ({ id, init }) => void (id.type === "Identifier" && init && names.set(init, id.name)),
    Property: ({ key, value }) => void (key.type === "Identifier" && names.set(value, key.name)),
    MethodDefinition: ({ key, value }) => void (key.type === "Identifier" && names.set(value, key.name)),
    FunctionDeclaration: enter,
    "FunctionDeclaration:exit": leave,
    FunctionExpression: enter,
    "FunctionExpression:exit": leave,
    ArrowFunctionExpression: enter,
    "ArrowFunctionExpression:exit": leave,
  }).visit(program);
  return faults;
}
