import { hash } from "node:crypto";
import type { Hono } from "hono";
import { icon } from "../assets/icon.ts";
import { script } from "../assets/script.ts";
import { style } from "../assets/style.ts";
import type { Env } from "../site.ts";
import type { View } from "../view.ts";

const files = [
  { name: "style", path: "/assets/dashboard.css", type: "text/css; charset=utf-8", content: style },
  { name: "script", path: "/assets/dashboard.js", type: "text/javascript; charset=utf-8", content: script },
  { name: "icon", path: "/assets/icon.svg", type: "image/svg+xml", content: icon },
] as const;

/** The addresses of the files. They name a digest of the content, so browsers may keep them for ever. */
export const assetPaths = Object.fromEntries(
  files.map(({ name, path, content }) => [name, `${path}?v=${hash("sha256", content, "base64url").slice(0, 10)}`]),
) as View["assets"];

/** Adds the files that the pages load. They hold no data, so they need no session. */
export function addAssets(app: Hono<Env>): void {
  for (const { path, type, content } of files) {
    app.get(path, (c) =>
      c.body(content, 200, { "content-type": type, "cache-control": "public, max-age=31536000, immutable" }),
    );
  }
}
