import { type ApiAnswer, assembleOpenApi } from "../openapi/document.ts";
import { writeErrors } from "../openapi/errors.ts";
import type { Examples } from "../openapi/examples.ts";
import type { CallLimits } from "../openapi/limits.ts";
import { createSchemaWriter, type Json } from "../openapi/schemas.ts";
import { newBatch } from "./new-batch-schemas.ts";
import { v1Calls } from "./v1-calls.ts";
import { errors, everywhere } from "./v1-errors.ts";
import examples from "./v1-examples.json" with { type: "json" };
import { namedReplies } from "./v1-replies.ts";

const writer = createSchemaWriter({ ...namedReplies, NewBatch: newBatch });

const problemType = ["application/problem+json"];

/** Builds the OpenAPI 3.1 document of `/v1`. `limits`: those of every call of the server. */
export function v1OpenApi(limits?: CallLimits): Json {
  const answers: Record<string, ApiAnswer> = {};
  return assembleOpenApi({
    info: {
      title: "Reinstate /v1",
      version: "1",
      description: "Batches over all vendors: run an operation over any number of items, and see what became of each.",
    },
    servers: [{ url: "/" }],
    tags: [{ name: "Batches", description: "Reinstate's own API" }],
    security: [{ adminKey: [] }],
    securitySchemes: { adminKey: { type: "http", scheme: "bearer" } },
    routes: v1Calls.map(({ errors: names = [], ...route }) => ({
      ...route,
      tag: "Batches",
      answers: {
        ...route.answers,
        ...writeErrors(errors, [...names, ...everywhere], {
          schema: writer.reference("Problem"),
          mediaTypes: problemType,
          shared: answers,
        }),
      },
    })),
    writer,
    examples: examples as Examples,
    limits,
    schemas: { ...writer.writeNamed("output"), NewBatch: writer.writeNamed("input").NewBatch },
    answers,
  });
}
