import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { v1OpenApi } from "@reinstate/batch-core/http";
import { type ExampleCall, type ExampleStyle, toCurl } from "@reinstate/batch-core/openapi";
import { serviceOpenApi } from "../reference/service-api.ts";
import { vendors } from "./demo-gateway.ts";
import { collectOutput, type GatewayProcess, run, startGateway } from "./gateway-process.ts";

type Routes = Map<string, { method: string; path: string }>;

/** A file of example calls, with the routes of its API by operation id. */
export interface ExampleFile {
  /** `v1`, `service` or the vendor's name. */
  api: string;
  file: string;
  routes: Routes;
}

const root = fileURLToPath(new URL("../../../..", import.meta.url));

/** Returns the files of example calls of every API. */
export function listExampleFiles(): ExampleFile[] {
  const packages = readdirSync(join(root, "packages")).flatMap((api) => {
    const file = join(root, "packages", api, "src/http/examples.json");
    const read = vendors.find(({ name }) => name === api)?.openApi;
    return existsSync(file) && read ? [{ api, file, routes: readRoutes(read({ extensions: "on" })) }] : [];
  });
  return [
    ...packages,
    {
      api: "v1",
      file: join(root, "packages/batch-core/src/http/v1-examples.json"),
      routes: readRoutes(v1OpenApi()),
    },
    {
      api: "service",
      file: join(root, "apps/gateway/src/reference/service-examples.json"),
      routes: readRoutes(serviceOpenApi()),
    },
  ];
}

function readRoutes(document: object): Routes {
  const { paths } = document as { paths: Record<string, Record<string, { operationId: string }>> };
  return new Map(
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { operationId }]) => [
        operationId,
        { method: method.toUpperCase(), path },
      ]),
    ),
  );
}

/** Makes an example call by the command that the documents show. */
export function runExample(
  routes: Routes,
  call: ExampleCall,
  style: ExampleStyle,
  gateway: GatewayProcess,
): Promise<{ status: number; body: unknown }> {
  const route = routes.get(call.operationId);
  if (!route) throw new Error(`There is no operation ${call.operationId}; remove its example`);
  return runCurl(toCurl(route, call, style), gateway);
}

/** The token of the examples that need a right of their own. */
const officer = "demo-officer-token";
const officerMethods = [
  "subscriptions/suppress",
  "subscriptions/unsuppress",
  "subscriptions/erase",
  "subscriptions/list_consent",
];

/**
 * Starts a demo gateway for the examples. It accepts batches and runs none in the background, so that every reply is the same each
 * time.
 */
export async function startExampleGateway(databaseUrl: string): Promise<GatewayProcess> {
  const settings = {
    REINSTATE_DEMO: "true",
    REINSTATE_DATABASE_URL: databaseUrl,
    REINSTATE_ROLE: "web",
    REINSTATE_ALTCRAFT_EXTENSIONS: "on",
    REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
    LOG_LEVEL: "silent",
  };
  const option = `methods=${officerMethods.join(",")}`;
  const args = ["keys", "create", "--vendor", "altcraft", "--option", option, "--json"];
  const created = await run(args, { REINSTATE_DATABASE_URL: databaseUrl });
  const { secret } = JSON.parse(created.out) as { secret: string };
  const gateway = await startGateway(settings);
  officerTokens.set(gateway, secret);
  return gateway;
}

const officerTokens = new WeakMap<GatewayProcess, string>();

/** Puts the address and the keys of a gateway into a text of an example. */
export const localize = (text: string, gateway: GatewayProcess): string =>
  text.replaceAll("http://127.0.0.1:8787", gateway.baseUrl).replaceAll(officer, officerTokens.get(gateway) ?? officer);

/** Runs a command of the documents in a shell. Returns the status of the reply and its body, parsed if it is JSON. */
export async function runCurl(command: string, gateway: GatewayProcess): Promise<{ status: number; body: unknown }> {
  const shell = spawn("bash", ["-c", `${localize(command, gateway)} -sS --max-time 60 -w '\\n%{http_code}'`]);
  const output = collectOutput(shell);
  await once(shell, "close");
  const { out, err } = output;
  const at = out.lastIndexOf("\n");
  const text = out.slice(0, at);
  if (at < 0 || err !== "") throw new Error(`${command}\n${err}`);
  return { status: Number(out.slice(at + 1)), body: parseBody(text) };
}

function parseBody(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Replaces what differs from run to run: times, digests, ids of keys, random tokens, rates. */
export function omitVarying(value: unknown): unknown {
  const text = JSON.stringify(value ?? null)
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?/g, "TIME")
    .replace(/(\\?"|fpr=)[\da-f]{12}(?=\\?")/g, "$1KEY")
    .replace(/"sha256":"[\da-f]{64}"/g, '"sha256":"DIGEST"')
    .replace(/"bytes":\d+/g, '"bytes":0')
    .replace(/(rate|eta|elapsed)[a-z_]*(\\?)":(null|[\d.]+)/g, '$1$2":0');
  return JSON.parse(text) as unknown;
}
