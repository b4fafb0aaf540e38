import { fieldLimits } from "../schemas/fields.ts";

/** Limits of a body in JSON or XML, which bound the cost of a hostile one. */
export interface BodyLimits {
  /** Nesting depth of objects and lists, or of elements. */
  depth: number;
  /** Number of values, or of elements. */
  values: number;
  /** Number of values in one object or list, or of child elements in one element. */
  children: number;
}

/** Limits of an XML document. */
export interface XmlLimits extends BodyLimits {
  /** Number of attributes of one element. */
  attributes: number;
  /** Characters of text in one element. */
  text: number;
}

// The client reads XML in browsers too, so this file imports nothing of Node.

/** Limits of a request. One text may be as long as all custom fields together, so XML accepts what JSON accepts. */
export const requestLimits: XmlLimits = {
  depth: 64,
  values: 4096,
  children: 4096,
  attributes: 16,
  text: fieldLimits.characters,
};
