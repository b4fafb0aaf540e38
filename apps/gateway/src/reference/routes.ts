import { cleanPath, problem } from "@reinstate/batch-core/http";
import { type Context, Hono } from "hono";
import { docsCss, docsScript } from "./docs-files.ts";
import { renderDocs } from "./docs-page.ts";
import { describeGateway, type ReferenceOptions } from "./gateway-openapi.ts";
import { renderLlmsText } from "./llms-text.ts";
import { renderProblems } from "./problems-page.ts";
import { readSwaggerFile, swaggerFiles } from "./swagger-files.ts";

/** Swagger UI needs `data:` images; nothing else is loaded from elsewhere. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

/** Creates the routes of the reference: `/openapi.json`, `/docs`, `/llms.txt`. They are public, because they hold no data of customers. */
export function createReference(options: ReferenceOptions): Hono {
  const { basePath } = options.settings;
  const routes = new Hono({ getPath: cleanPath });
  let described: ReturnType<typeof describeGateway> | undefined;
  /** Builds the document with the first call, because a start need not wait for it. */
  const describe = () => {
    described ??= describeGateway(options);
    return described;
  };

  routes.use(async (c, next) => {
    await next();
    c.res.headers.set("content-security-policy", contentSecurityPolicy);
    c.res.headers.set("x-content-type-options", "nosniff");
    c.res.headers.set("referrer-policy", "no-referrer");
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-cache");
  });

  const send = (c: Context, body: string | Uint8Array<ArrayBuffer>, type: string) => {
    c.header("cache-control", "public, max-age=3600");
    return c.body(body, 200, { "content-type": type });
  };

  routes.get("/openapi.json", (c) => c.json(describe()));
  routes.get("/docs", (c) => c.html(renderDocs(basePath, describe())));
  routes.get("/docs/problems", (c) => c.html(renderProblems(basePath)));
  routes.get("/docs/:file", async (c) => {
    const file = c.req.param("file");
    if (file === "docs.css") return send(c, docsCss, "text/css; charset=utf-8");
    if (file === "docs.js") return send(c, docsScript, "text/javascript; charset=utf-8");
    const type = Object.hasOwn(swaggerFiles, file) ? swaggerFiles[file] : undefined;
    if (type === undefined) return problem(404, "not-found", "There is no such file; /docs is the reference");
    return send(c, await readSwaggerFile(file), type);
  });
  routes.get("/llms.txt", (c) => c.text(renderLlmsText(basePath, describe())));

  for (const { path, method } of [...routes.routes]) {
    if (method !== "GET") continue;
    routes.all(path, () =>
      problem(405, "method-not-allowed", "This path answers GET", { headers: { allow: "GET, HEAD" } }),
    );
  }
  return routes;
}

/** Reports whether a path belongs to the reference. */
export const isReferencePath = (path: string): boolean =>
  path === "/openapi.json" || path === "/llms.txt" || path === "/docs" || path.startsWith("/docs/");
