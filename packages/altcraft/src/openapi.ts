import { safetyFlagNamed } from "@reinstate/batch-core/http";
import * as z from "zod";
import { namesOf } from "./body-names.ts";
import { commonParameters, extensionMethods, type MethodRow, vendorMethods } from "./method-table.ts";
import {
  consentReply,
  deletedReply,
  envelope,
  placedSubscription,
  profileMatch,
  profileSubscription,
  subscription,
  subscriptionChanges,
  subscriptionIdentity,
} from "./schemas.ts";

const guide = "https://guides.altcraft.com/en/developer-guide/";

/** What stands in several methods, by the name under which the description has it. */
const shared = {
  Envelope: envelope,
  Subscription: subscription,
  SubscriptionIdentity: subscriptionIdentity,
  SubscriptionChanges: subscriptionChanges,
  SubscriptionWithPlace: placedSubscription,
  SubscriptionOfProfile: profileSubscription,
  ProfileMatch: profileMatch,
  DeletedSubscriptions: deletedReply,
  ConsentLog: consentReply,
};

const vendorTag = "Altcraft";
const extensionTag = "Beyond Altcraft";

/** The API as OpenAPI 3.1, in JSON and XML, out of the table of methods: what is served with the option `extensions`. */
export function openApi() {
  const rows: [string, MethodRow][] = Object.entries({ ...vendorMethods, ...extensionMethods });
  const schemas = schemasOf();
  const paths: Record<string, object> = {};
  for (const [name, row] of rows) {
    const word = wordOf(name);
    schemas[`${word}Request`] = {
      allOf: [
        withNulls(jsonSchema(row.shape ?? row.parameters, "input")),
        withNulls(jsonSchema(commonParameters, "input")),
        ...(row.filters
          ? [{ type: "object", properties: Object.fromEntries(row.filters.map((name) => [name, notNull])) }]
          : []),
      ],
      ...(row.strict && { unevaluatedProperties: false }),
    };
    schemas[`${word}Reply`] = jsonSchema(row.reply, "output");
    paths[`/api/v1.1/${name}`] = { post: operationOf(name, row) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Altcraft's subscriptions API v1.1, as Reinstate serves it",
      version: "1.1",
      description:
        "Every method is POST, in JSON or XML. A reply has `error`, 0 where the call succeeded, and `error_text`. In XML the root is `<xml>`, lists are repeated elements (marked with `array='true'` in requests), null is an empty element.",
    },
    servers: [{ url: "/", description: "The gateway, or any server that serves the routes" }],
    tags: [
      { name: vendorTag, description: "As Altcraft documents them" },
      { name: extensionTag, description: "Served with the option `extensions: on`" },
    ],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        query: { type: "apiKey", in: "query", name: "token" },
      },
      schemas,
    },
  };
}

/** `subscriptions/undelete_batch` as `SubscriptionsUndeleteBatch`. */
const wordOf = (name: string) => name.replace(/(?:^|[/_])(.)/g, (_, letter: string) => letter.toUpperCase());

/** What of a method is beyond the vendor: all of it, or some parameters; undefined where nothing is. */
function beyondVendor(row: MethodRow, vendors: MethodRow | undefined): true | string[] | undefined {
  if (!vendors) return true;
  if (row === vendors) return undefined;
  const known = new Set(namesOf(vendors.parameters));
  return [...new Set(namesOf(row.shape ?? row.parameters))].filter((one) => !known.has(one));
}

function operationOf(name: string, row: MethodRow) {
  const { summary, source, changes, batch, restricted } = row;
  const vendors = (vendorMethods as Record<string, MethodRow>)[name];
  // What goes beyond the vendor is described where the vendor's own is.
  const page = source ?? vendors?.source;
  const beyond = beyondVendor(row, vendors);
  return {
    operationId: name.replace(/\W+/g, "_"),
    tags: [vendors ? vendorTag : extensionTag],
    summary,
    ...(restricted && { description: "Only for a token whose option `methods` names it" }),
    // Served with the option `extensions: on` alone: the whole method, or these parameters of it.
    ...(beyond && { "x-reinstate-extension": beyond }),
    ...(page !== undefined && { externalDocs: { url: `${guide}${page}` } }),
    // The token may also stand in the body.
    security: [{ bearer: [] }, { query: [] }, {}],
    parameters: [
      { name: "format", in: "query", schema: { enum: ["json", "xml"] }, description: "The format of the reply" },
      ...(changes
        ? [
            {
              ...{ name: "Request-ID", in: "header", schema: { type: "string", minLength: 1, maxLength: 255 } },
              description: "A repeat within 24 hours gets the first reply again, and nothing is done",
            },
          ]
        : []),
    ],
    requestBody: {
      required: true,
      content: inBoth(`${wordOf(name)}Request`),
    },
    responses: {
      "200": {
        description: "Done",
        ...(changes && {
          headers: {
            ...(batch && {
              "X-Reinstate-Batch": { schema: { type: "string" }, description: "The batch that the call made" },
            }),
            "Duplicate-Request": { schema: { const: "true" }, description: "This is the reply to an earlier request" },
            "Duplicate-Key": { schema: { type: "string" }, description: "Names that request" },
          },
        }),
        content: inBoth(`${wordOf(name)}Reply`),
      },
      default: {
        description:
          "Refused: `error` is the code, and the HTTP status too unless the option `httpStatus` says otherwise",
        content: inBoth("Envelope"),
      },
    },
  };
}

const inBoth = (id: string) => ({
  "application/json": { schema: { $ref: refOf(id) } },
  "application/xml": { schema: { $ref: refOf(id), xml: { name: "xml" } } },
});

const refOf = (id: string) => `#/components/schemas/${id}`;

function registryWith(more: Record<string, z.ZodType> = {}) {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...shared, ...more })) {
    if (!registry.has(schema)) registry.add(schema, { id });
  }
  return registry;
}

function converted(more: Record<string, z.ZodType>, io: "input" | "output"): Record<string, object> {
  const { schemas } = z.toJSONSchema(registryWith(more), { io, uri: refOf, unrepresentable: "any" });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _schema, $id: _id, id: _name, ...schema }]) => [id, schema]),
  );
}

/** A part of a schema that parameters may stand in, at any depth of composition. */
interface Schema {
  properties?: Record<string, object>;
  required?: string[];
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
}

/** Every type but null: for parameters without which more records would be changed. */
const notNull = { type: ["string", "number", "boolean", "object", "array"] };

/** Lets every parameter that may be left out be null too, as the server does; safety flags have to be clear. */
function withNulls({ properties, ...schema }: Schema): Schema {
  const mayBeNull = (name: string) => !schema.required?.includes(name) && safetyFlagNamed(name) === undefined;
  const nullable = ([name, property]: [string, object]) =>
    [name, mayBeNull(name) ? { anyOf: [property, { type: "null" }] } : property] as const;
  return {
    ...schema,
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(nullable)) }),
    ...(schema.allOf && { allOf: schema.allOf.map(withNulls) }),
    ...(schema.anyOf && { anyOf: schema.anyOf.map(withNulls) }),
    ...(schema.oneOf && { oneOf: schema.oneOf.map(withNulls) }),
  };
}

/** A schema that refers to the shared ones. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): Schema {
  const known = Object.entries(shared).find(([, one]) => one === schema);
  if (known) return { $ref: refOf(known[0]) } as Schema;
  return converted({ It: schema }, io).It as Schema;
}

/** Requests are described as they are given, replies as they come. */
function schemasOf(): Record<string, object> {
  const given = converted({}, "input");
  const come = converted({}, "output");
  const isRequest = (id: string) => /Identity|Changes|Match/.test(id);
  return Object.fromEntries(
    Object.keys(shared).map((id) => [id, isRequest(id) ? withNulls(given[id] as Schema) : (come[id] as object)]),
  );
}
