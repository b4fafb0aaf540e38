import { Ajv2020 } from "ajv/dist/2020.js";

/** An example of a body or a parameter, and what is wrong with it. */
export interface CheckedExample {
  /** `restorePromoters request application/json first`. */
  at: string;
  fault: string | undefined;
}

interface Content {
  schema?: object;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}

type Json = Record<string, unknown>;

/** Returns every example of an OpenAPI document, checked against its schema by a validator that did not write the schema. */
export function listExamples(document: object): CheckedExample[] {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, "document");
  const checked: CheckedExample[] = [];
  // A reference points into the document, wherever it stands.
  const anchor = (schema: object) =>
    JSON.parse(JSON.stringify(schema), (key, value) => (key === "$ref" ? `document${value}` : value)) as object;

  function check(at: string, { schema, example, examples = {} }: Content): void {
    if (!schema) return;
    const values = [
      ...Object.entries(examples).map(([name, { value }]) => [name, value] as const),
      ...(example === undefined ? [] : [["example", example] as const]),
    ];
    if (values.length === 0) return;
    const validate = ajv.compile(anchor(schema));
    for (const [name, value] of values) {
      const fault = validate(value) ? undefined : ajv.errorsText(validate.errors);
      checked.push({ at: `${at} ${name}`, fault });
    }
  }

  const follow = <Part>(part: Part & { $ref?: string }): Part =>
    part.$ref === undefined
      ? part
      : (part.$ref
          .slice(2)
          .split("/")
          .reduce<unknown>((at, step) => (at as Json)[step], document) as Part);

  type Bodies = { content?: Record<string, Content> };
  interface Operation {
    operationId: string;
    parameters?: (Content & { name: string })[];
    requestBody?: Bodies;
    responses: Record<string, Bodies>;
  }
  for (const path of Object.values((document as { paths: Record<string, Record<string, Operation>> }).paths)) {
    for (const { operationId, parameters = [], requestBody, responses } of Object.values(path)) {
      for (const parameter of parameters) {
        const { name, ...rest } = follow(parameter);
        check(`${operationId} ${name}`, rest);
      }
      const bodies: [string, Bodies | undefined][] = [["request", requestBody], ...Object.entries(responses)];
      for (const [place, body] of bodies) {
        for (const [type, content] of Object.entries(body ? (follow(body).content ?? {}) : {})) {
          // XML has no JSON Schema.
          if (!type.endsWith("/xml")) check(`${operationId} ${place} ${type}`, content);
        }
      }
    }
  }
  return checked;
}
