import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { findHaproxy, findNginx, freePort } from "@reinstate/tooling/services";
import { describe, expect, test } from "vitest";
import { openBrowser, openPage } from "../testing/browser.ts";
import { restoreBooks } from "../testing/dashboard-story.ts";
import { startShelfGateway, temporaryFolder } from "../testing/gateway-process.ts";

interface Proxy {
  name: string;
  /** Writes the files of the proxy and returns its command. */
  prepare(parts: { folder: string; port: number; gateway: string }): string[];
}

/** nginx keeps the prefix, HAProxy removes it. */
const proxies: Proxy[] = [
  {
    name: "nginx",
    prepare({ folder, port, gateway }) {
      const file = join(folder, "nginx.conf");
      writeFileSync(
        file,
        `daemon off; pid ${folder}/pid; error_log stderr warn; worker_processes 1; events {}
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi; client_max_body_size 1g;
  server {
    listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/cert.pem;
    location /ops/ {
      proxy_pass ${gateway}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off; proxy_buffering off;
    }
  }
}`,
      );
      return [findNginx(), "-c", file, "-p", folder];
    },
  },
  {
    name: "HAProxy",
    prepare({ folder, port, gateway }) {
      const file = join(folder, "haproxy.cfg");
      writeFileSync(
        file,
        `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port} ssl crt ${folder}/cert.pem
  http-request set-header X-Forwarded-Proto https
  http-request deny deny_status 404 if !{ path_beg /ops/ }
  http-request replace-path /ops(/.*) \\1
  default_backend back
backend back
  server gateway ${new URL(gateway).host}
`,
      );
      return [findHaproxy(), "-f", file];
    },
  },
];

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

describe.each(proxies)("behind $name with TLS and a prefix", ({ prepare }) => {
  test("restores 10,000 books from upload to report", async () => {
    await using database = sqliteDatabase();
    await using folder = temporaryFolder();
    await using gateway = await startShelfGateway({
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_BASE_PATH: "/ops",
    });
    const pem = join(folder.path, "cert.pem");
    const key = join(folder.path, "key.pem");
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", pem, ...subject],
      {
        stdio: "ignore",
      },
    );
    writeFileSync(pem, readFileSync(pem, "utf8") + readFileSync(key, "utf8"));
    const port = await freePort();
    const [program = "", ...args] = prepare({ folder: folder.path, port, gateway: gateway.baseUrl });
    const proxy = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    proxy.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    try {
      await until(async () => {
        if (proxy.exitCode !== null) throw new Error(`The proxy ended: ${errors}`);
        return isListening(port);
      });
      await using browser = await openBrowser();
      await using watched = await openPage(browser, `https://127.0.0.1:${port}`);
      const { page } = watched;
      const cookies: string[] = [];
      page.on("response", async (answer) => cookies.push((await answer.headerValue("set-cookie")) ?? ""));
      await restoreBooks(page, { hasScript: true, prefix: "/ops" });
      expect(cookies.find(Boolean)).toMatch(/; Path=\/ops; HttpOnly; Secure; SameSite=Strict/);
      expect(watched.faults).toEqual([]);
    } finally {
      proxy.kill("SIGKILL");
    }
  });
});
