import { safetyFlagNamed } from "@reinstate/batch-core/http";
import {
  type ApiRoute,
  assembleOpenApi,
  type CallLimits,
  createSchemaWriter,
  type Examples,
  type Json,
} from "@reinstate/batch-core/openapi";
import * as z from "zod";
import { type AltcraftSettings, altcraftOptions } from "../options.ts";
import { consentReply } from "../schemas/consent.ts";
import { batchLimit, deletedReply } from "../schemas/extensions.ts";
import { mostPageItems } from "../schemas/fields.ts";
import { subscriptionIdentity } from "../schemas/identity.ts";
import { envelope, placedSubscription, profileSubscription, subscription } from "../schemas/replies.ts";
import { profileMatch, subscriptionChanges } from "../schemas/requests.ts";
import { describeErrors } from "./errors.ts";
import examples from "./examples.json" with { type: "json" };
import { commonParameters, extensionMethods, type MethodRow, vendorMethods } from "./methods/method-table.ts";
import { getXmlLimit } from "./parameters.ts";
import { listFieldNames } from "./unknown-fields.ts";

const guide = "https://guides.altcraft.com/en/developer-guide/";

const named = {
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
const writer = createSchemaWriter(named);

const describedErrors = describeErrors();
const errorExamples = Object.fromEntries(describedErrors.map(({ kind, body }) => [kind, body]));
const errorList = describedErrors.map(({ kind, cause, body }) => `- ${body.error} \`${kind}\`: ${cause}`).join("\n");

const mediaTypes = ["application/json", "application/xml"];
const vendorTag = "Altcraft";
const extensionTag = "Beyond Altcraft";

/**
 * Returns the OpenAPI 3.1 document of all methods, by default with the extensions. It is generated from the method table. `limits`:
 * those of every call of the server.
 */
export function openApi(settings: Partial<AltcraftSettings> = {}, limits?: CallLimits): Json {
  const options: AltcraftSettings = { ...altcraftOptions.parse({}), extensions: "on", ...settings };
  const rows: [string, MethodRow][] = Object.entries({
    ...vendorMethods,
    ...(options.extensions === "on" && extensionMethods),
  });
  return assembleOpenApi({
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
    securitySchemes: {
      bearer: { type: "http", scheme: "bearer" },
      query: { type: "apiKey", in: "query", name: "token" },
    },
    routes: rows.map(([name, row]) => describeMethod(name, row, options)),
    writer,
    examples: examples as Examples,
    limits,
    schemas: { ...writeNamed(), ...Object.assign({}, ...rows.map(([name, row]) => writeBodies(name, row))) },
  });
}

/** Returns the request and reply schemas of a method, by schema name. */
function writeBodies(name: string, row: MethodRow): Json {
  const word = toSchemaName(name);
  return {
    [`${word}Request`]: {
      allOf: [
        withNulls(writer.write(row.shape ?? row.parameters, "input")),
        withNulls(writer.write(commonParameters, "input")),
        ...(row.filters
          ? [{ type: "object", properties: Object.fromEntries(row.filters.map((name) => [name, notNull])) }]
          : []),
      ],
      ...(row.strict && { unevaluatedProperties: false }),
    },
    [`${word}Reply`]: writer.write(row.reply, "output"),
  };
}

/** Returns `SubscriptionsUndeleteBatch` for `subscriptions/undelete_batch`. */
const toSchemaName = (name: string) => name.replace(/(?:^|[/_])(.)/g, (_, letter: string) => letter.toUpperCase());

/** Returns which part of a method is an extension: true for all of it, a list of parameters, or undefined. */
function findExtension(row: MethodRow, vendors: MethodRow | undefined): true | string[] | undefined {
  if (!vendors) return true;
  if (row === vendors) return undefined;
  const known = new Set(listFieldNames(vendors.parameters));
  return [...new Set(listFieldNames(row.shape ?? row.parameters))].filter((one) => !known.has(one));
}

function describeMethod(name: string, row: MethodRow, settings: AltcraftSettings): ApiRoute {
  const { summary, source, changes, restricted } = row;
  const vendors = (vendorMethods as Record<string, MethodRow>)[name];
  // An extension of a vendor method links to the page of that method.
  const page = source ?? vendors?.source;
  const extension = findExtension(row, vendors);
  return {
    operationId: name.replace(/\W+/g, "_"),
    method: "POST",
    path: `/api/v1.1/${name}`,
    summary,
    ...(restricted && { description: "Only for a token whose option `methods` names it" }),
    tag: vendors ? vendorTag : extensionTag,
    parameters: {
      query: { format: z.enum(["json", "xml"]).describe("The format of the reply") },
      ...(changes && { header: { "Request-ID": requestId } }),
    },
    body: toBody(`${toSchemaName(name)}Request`),
    limits: {
      ...(row.bulk && { items: batchLimit }),
      ...(listFieldNames(row.shape ?? row.parameters).includes("limit") && { pageItems: mostPageItems }),
      bodyBytes: settings.jsonBodyLimit,
      xmlBodyBytes: getXmlLimit(row, settings),
    },
    answers: {
      "200": { description: "Done", headers: describeHeaders(row), body: toBody(`${toSchemaName(name)}Reply`) },
      default: {
        description:
          "Refused: `error` is the code, and the HTTP status too unless the option `httpStatus` says otherwise.\n\n" +
          errorList,
        body: { ...toBody("Envelope"), examples: errorExamples },
      },
    },
    more: {
      // Served only with `extensions: on`: the whole method, or these parameters.
      ...(extension && { "x-reinstate-extension": extension }),
      ...(page !== undefined && { externalDocs: { url: `${guide}${page}` } }),
      // The token may also stand in the body.
      security: [{ bearer: [] }, { query: [] }, {}],
    },
  };
}

const requestId = z
  .string()
  .min(1)
  .max(255)
  .describe("A repeat within 24 hours gets the first reply again, and nothing is done");

function describeHeaders({ changes, batch }: MethodRow): Record<string, z.ZodType> {
  return {
    ...(batch && { "X-Reinstate-Batch": z.string().describe("The batch that the call made") }),
    ...(changes && {
      "Duplicate-Request": z.literal("true").describe("This is the reply to an earlier request"),
      "Duplicate-Key": z.string().describe("Names that request"),
    }),
  };
}

const toBody = (name: string) => ({ schema: writer.reference(name), mediaTypes });

/** The parts of a JSON schema that may contain parameters, at any depth of composition. */
interface Schema {
  properties?: Record<string, object>;
  required?: string[];
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
}

/** Any type except null, for parameters whose absence would change more records. */
const notNull = { type: ["string", "number", "boolean", "object", "array"] };

/** Makes optional parameters nullable, as the server does. Safety flags stay strict. */
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

/** Returns the named schemas: input schemas for requests, output schemas for replies. */
function writeNamed(): Json {
  const inputs = writer.writeNamed("input");
  const outputs = writer.writeNamed("output");
  const isRequest = (name: string) => /Identity|Changes|Match/.test(name);
  return Object.fromEntries(
    Object.keys(named).map((name) => [name, isRequest(name) ? withNulls(inputs[name] as Schema) : outputs[name]]),
  );
}
