import { problemBody, problemReply } from "@reinstate/batch-core/http";
import {
  type ApiAnswer,
  type ApiRoute,
  assembleOpenApi,
  type CallLimits,
  createSchemaWriter,
  type Examples,
  type Json,
} from "@reinstate/batch-core/openapi";
import * as z from "zod";
import examples from "./service-examples.json" with { type: "json" };

const state = z.enum(["ready", "not ready"]);
const part = z.strictObject({ status: state });

const health = z.strictObject({ status: z.literal("ok") });
const readiness = z.strictObject({ status: state, ledger: part, vendors: z.record(z.string(), part) });

const writer = createSchemaWriter({ Health: health, Readiness: readiness, Part: part, Problem: problemReply });

const retryAfter = { "Retry-After": { schema: { type: "integer" }, description: "Seconds" } };

const problem = (status: number, type: Parameters<typeof problemBody>[1], detail: string): ApiAnswer => ({
  description: detail,
  body: {
    schema: problemReply,
    mediaTypes: ["application/problem+json"],
    examples: { problem: problemBody(status, type, detail) },
  },
});

const text = (mediaType: string, description: string): Record<string, ApiAnswer> => ({
  "200": { description, body: { schema: { type: "string" }, mediaTypes: [mediaType] } },
});

type Route = Omit<ApiRoute, "method" | "tag">;

const healthRoutes: Route[] = [
  {
    operationId: "getHealth",
    path: "/healthz",
    summary: "Report that the process lives",
    description: "Reads no database. Restart the process when this call does not answer.",
    answers: { "200": { description: "Alive", body: { schema: health, examples: { alive: { status: "ok" } } } } },
  },
  {
    operationId: "getReadiness",
    path: "/readyz",
    summary: "Report whether the ledger can be used",
    description: "Send no traffic to a process that answers 503. The body has the state of each vendor.",
    answers: {
      "200": {
        description: "Ready",
        body: {
          schema: readiness,
          examples: {
            ready: {
              status: "ready",
              ledger: { status: "ready" },
              vendors: { firstpromoter: { status: "ready" }, vicidial: { status: "not ready" } },
            },
          },
        },
      },
      "503": {
        description: "The ledger does not answer, or the process is about to stop",
        headers: retryAfter,
        body: {
          schema: readiness,
          examples: {
            not_ready: {
              status: "not ready",
              ledger: { status: "not ready" },
              vendors: { firstpromoter: { status: "not ready" } },
            },
          },
        },
      },
    },
  },
  {
    operationId: "getVendorReadiness",
    path: "/readyz/{vendor}",
    summary: "Report whether one vendor can work",
    description: "For a monitor of one vendor. A vendor that is not ready does not stop the others.",
    parameters: { path: { vendor: z.string().describe("firstpromoter, altcraft or vicidial") } },
    answers: {
      "200": { description: "Ready", body: { schema: part, examples: { ready: { status: "ready" } } } },
      "404": problem(404, "not-found", "There is no vendor salesforce; the vendors are firstpromoter, vicidial"),
      "503": {
        description: "Its database or the ledger does not answer",
        headers: retryAfter,
        body: { schema: part, examples: { not_ready: { status: "not ready" } } },
      },
    },
  },
  {
    operationId: "getMetrics",
    path: "/metrics",
    summary: "Get the metrics for Prometheus",
    description:
      "With the setting `REINSTATE_METRICS`, only its own address serves this path. Without it, callers on the same machine may read it, and callers from elsewhere need an admin key.",
    answers: {
      ...text("text/plain", "Prometheus text format"),
      "401": problem(401, "unauthorized", "This needs the header Authorization: Bearer <admin key>"),
    },
    more: { security: [{ adminKey: [] }, {}] },
  },
];

const documentRoutes: Route[] = [
  {
    operationId: "getOpenApi",
    path: "/openapi.json",
    summary: "Get this document",
    description: "Public: it holds no data of customers.",
    answers: { "200": { description: "OpenAPI 3.1", body: { schema: { type: "object" } } } },
  },
  {
    operationId: "getDocs",
    path: "/docs",
    summary: "Read the API reference in a browser",
    answers: text("text/html", "The reference"),
  },
  {
    operationId: "getProblems",
    path: "/docs/problems",
    summary: "Read what each problem type means and what to do",
    answers: text("text/html", "One section for each type"),
  },
  {
    operationId: "getDocsFile",
    path: "/docs/{file}",
    summary: "Get a style sheet or script of the reference",
    parameters: { path: { file: z.enum(["docs.css", "docs.js", "swagger-ui.css", "swagger-ui-bundle.js"]) } },
    answers: {
      "200": {
        description: "The file",
        body: { schema: { type: "string" }, mediaTypes: ["text/css", "text/javascript"] },
      },
      "404": problem(404, "not-found", "There is no such file"),
    },
  },
  {
    operationId: "getLlmsTxt",
    path: "/llms.txt",
    summary: "Get a list of the pages and calls for language models",
    answers: text("text/plain", "Markdown"),
  },
];

/** Returns the OpenAPI 3.1 document of the paths that belong to no vendor and not to `/v1`. */
export function serviceOpenApi(limits?: CallLimits): Json {
  return assembleOpenApi({
    info: { title: "Reinstate service", version: "1", description: "Health, metrics and documents." },
    servers: [{ url: "/" }],
    tags: [
      { name: "Health", description: "For monitors" },
      { name: "Documents", description: "Public" },
    ],
    security: [],
    securitySchemes: { adminKey: { type: "http", scheme: "bearer" } },
    routes: [
      ...healthRoutes.map((route): ApiRoute => ({ ...route, method: "GET", tag: "Health" })),
      ...documentRoutes.map((route): ApiRoute => ({ ...route, method: "GET", tag: "Documents" })),
    ],
    writer,
    examples: examples as Examples,
    limits,
    schemas: writer.writeNamed("output"),
  });
}
