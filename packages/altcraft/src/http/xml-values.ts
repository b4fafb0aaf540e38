import * as z from "zod";
import { type XmlElement, XmlError } from "./xml.ts";

/** Child elements by name. */
type Members = ReadonlyMap<string, XmlElement[]>;

/** Options of `readValue`. */
export interface Reading {
  /**
   * Reads a reply, which may have fields beyond our schemas: repeated elements are a list, and a number may be written as
   * `1.5e+06`.
   */
  reply?: boolean;
}

/**
 * Returns the value of an element. The schema decides the types of leaves, not their text: a phone stays a string, an id becomes a
 * number. Text that does not match its type stays text, so that validation rejects it. An empty element is null, or an empty list
 * if it is single and marked as an item.
 *
 * @throws `XmlError` if a request repeats an element that is no list
 */
export function readValue(element: XmlElement, schema: z.ZodType, { reply = false }: Reading = {}): unknown {
  return readObject(element, withoutWrapper(schema), reply);
}

function readObject(element: XmlElement, schema: z.ZodType, reply: boolean): Record<string, unknown> {
  const members = groupMembers(element);
  const shapes = findShapes(schema, members);
  const record = schema instanceof z.ZodRecord ? (schema.valueType as z.ZodType) : undefined;
  const value: Record<string, unknown> = Object.create(null);
  for (const [name, elements] of members) {
    const found = shapes.find((shape) => Object.hasOwn(shape, name))?.[name] ?? record;
    value[name] = readMember(elements, found && withoutWrapper(found), reply);
  }
  return value;
}

const isEmpty = ({ text, children }: XmlElement) => text === "" && children.length === 0;

function readMember(elements: XmlElement[], schema: z.ZodType | undefined, reply: boolean): unknown {
  const [first] = elements as [XmlElement];
  const isUnknown = schema === undefined || schema instanceof z.ZodUnknown;
  if (elements.length === 1 && isEmpty(first))
    return first.array && (isUnknown || schema instanceof z.ZodArray) ? [] : null;
  if (schema instanceof z.ZodArray) {
    const items = withoutWrapper(schema.element as z.ZodType);
    return elements.map((element) => readItem(element, items, reply));
  }
  const isList = elements.length > 1 ? reply || elements.some(({ array }) => array) : first.array;
  if (isList && (isUnknown || reply)) return elements.map((element) => readItem(element, schema, reply));
  if (elements.length > 1) throw new XmlError(`<${first.name}> is given ${elements.length} times`);
  return readItem(first, schema, reply);
}

function readItem(element: XmlElement, schema: z.ZodType | undefined, reply: boolean): unknown {
  if (element.children.length > 0) return readObject(element, schema ?? z.unknown(), reply);
  if (element.text !== "") return readLeaf(element.text, schema, reply);
  // In a reply, an empty element in a list of texts is an empty text.
  return reply && schema instanceof z.ZodString ? "" : null;
}

const wholeNumber = /^-?\d{1,16}$/;
const anyNumber = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i;

function readLeaf(text: string, schema: z.ZodType | undefined, reply: boolean): unknown {
  if (schema instanceof z.ZodUnion) {
    for (const option of schema.options as z.ZodType[]) {
      const value = readLeaf(text, option, reply);
      if (option.safeParse(value).success) return value;
    }
  }
  if (schema instanceof z.ZodNumber && (reply ? anyNumber : wholeNumber).test(text)) return Number(text);
  if (schema instanceof z.ZodBoolean && /^(true|false)$/.test(text)) return text === "true";
  return text;
}

function groupMembers(element: XmlElement): Members {
  const members = new Map<string, XmlElement[]>();
  for (const child of element.children) {
    const known = members.get(child.name);
    if (known) known.push(child);
    else members.set(child.name, [child]);
  }
  return members;
}

type Shape = Record<string, z.ZodType>;

/** One object shape of a schema, with the literals that select it. */
interface Branch {
  shape: Shape;
  literals: [name: string, values: Set<unknown>][];
}

/** Cache of the branches of each schema. */
const branches = new WeakMap<z.ZodType, Branch[]>();

/** Returns the shapes that apply to these members; of a union, those whose literals match. */
function findShapes(schema: z.ZodType, members: Members): Shape[] {
  let known = branches.get(schema);
  if (!known) {
    known = listBranches(schema);
    branches.set(schema, known);
  }
  const fits = ({ literals }: Branch) => literals.every(([name, values]) => values.has(members.get(name)?.[0]?.text));
  return known.filter(fits).map(({ shape }) => shape);
}

function listBranches(schema: z.ZodType): Branch[] {
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Shape;
    const literals = Object.entries(shape).flatMap(([name, property]): Branch["literals"] =>
      property instanceof z.ZodLiteral ? [[name, property.values]] : [],
    );
    return [{ shape, literals }];
  }
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(listBranches);
  if (schema instanceof z.ZodIntersection) {
    return [schema.def.left, schema.def.right].flatMap((side) => listBranches(side as z.ZodType));
  }
  return [];
}

function withoutWrapper(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return withoutWrapper(schema.unwrap() as z.ZodType);
  }
  // In a preprocess pipe, the schema behind the transform has the types.
  if (schema instanceof z.ZodPipe) {
    return withoutWrapper((schema.in instanceof z.ZodTransform ? schema.out : schema.in) as z.ZodType);
  }
  return schema;
}
