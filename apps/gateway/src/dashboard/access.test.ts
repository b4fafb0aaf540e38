import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createDashboardClient, signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";
import { securityHeaders } from "./security.ts";

/** A path of a route, with a batch that exists. */
const fill = (path: string) => path.replace(":id", "1");

/** Opens a gateway with one failed batch. */
async function open(url = "sqlite::memory:", settings: Record<string, string> = {}) {
  const gateway = await openDemoGateway(url, settings);
  const { batches } = gateway.host;
  await batches.submit({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [1, 2, 5_000_000] });
  const list = (method: string) =>
    [...new Set(gateway.dashboard.routes.filter((route) => route.method === method).map(({ path }) => path))].filter(
      (path) => !path.includes("*"),
    );
  return Object.assign(gateway, { posts: list("POST"), gets: list("GET") });
}

const openPosts = ["/sign-in", "/sign-out"];

describe("access to the dashboard", () => {
  test("lets a read-only key see everything and change nothing", async () => {
    await using gateway = await open();
    const { secret } = await gateway.host.keys.create({
      vendor: "admin",
      name: "auditor",
      options: { access: "read" },
    });
    const reader = await signIn(gateway, secret);
    const before = await readLedger(gateway);
    const changes = gateway.posts.filter((path) => !openPosts.includes(path));
    expect(changes.length).toBeGreaterThan(5);
    for (const path of changes) {
      const key = "00000000-0000-4000-8000-000000000000";
      const answer = await reader.post(fill(path), { key, note: "n", as: "done", vendor: "admin" });
      expect([path, answer.status]).toEqual([path, 403]);
    }
    expect(await readLedger(gateway)).toEqual(before);
    for (const path of ["/batches", "/batches/1", "/batches/1/items", "/find", "/systems"]) {
      const answer = await reader.get(path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(await answer.text()).not.toMatch(/<form class="action"|New batch/);
    }
    for (const path of ["/keys", "/batches/new"]) expect((await reader.get(path)).status).toBe(403);
  });

  test("rejects every form of another origin", async () => {
    await using gateway = await open();
    const admin = await signIn(gateway);
    const before = await readLedger(gateway);
    const foreign: Record<string, string>[] = [
      { origin: "" },
      { origin: "null" },
      { origin: "https://evil.example" },
      { origin: "http://dashboard.test.evil.example" },
      { origin: "http://dashboard.test:81" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ];
    for (const path of gateway.posts) {
      for (const headers of foreign) {
        const answer = await admin.post(fill(path), { secret: "demo-admin-key" }, headers);
        expect([path, headers, answer.status]).toEqual([path, headers, 403]);
      }
    }
    expect(await readLedger(gateway)).toEqual(before);
    expect((await admin.get("/batches")).status).toBe(200);
  });

  test("requires a session for every other route", async () => {
    await using gateway = await open();
    const stranger = createDashboardClient(gateway);
    const openGets = ["/sign-in", "/assets/dashboard.css", "/assets/dashboard.js", "/assets/icon.svg"];
    for (const path of gateway.gets.filter((path) => !openGets.includes(path))) {
      const answer = await stranger.get(fill(path));
      expect([path, answer.status]).toEqual([path, 303]);
      expect(answer.headers.get("location")).toMatch(/^\/sign-in/);
    }
    for (const path of gateway.posts.filter((path) => !openPosts.includes(path))) {
      const answer = await stranger.post(fill(path));
      expect([path, answer.status, answer.headers.get("location")]).toEqual([path, 303, "/sign-in"]);
    }
  });

  test("sends the strict policy with every answer", async () => {
    await using gateway = await open();
    const admin = await signIn(gateway);
    const paths = [...gateway.gets.filter((path) => !path.endsWith("/events")).map(fill), "/nope", "/batches/99"];
    for (const path of paths) {
      const { headers } = await admin.get(path);
      for (const [name, value] of Object.entries(securityHeaders))
        expect([path, headers.get(name)]).toEqual([path, value]);
      expect(headers.get("strict-transport-security")).toBeNull();
    }
  });

  test("sets a cookie that scripts and other sites cannot use", async () => {
    await using gateway = await open("sqlite::memory:");
    const client = createDashboardClient(gateway);
    const cookie = async (headers: Record<string, string>) => {
      const answer = await client.post("/sign-in", { secret: "demo-admin-key" }, headers);
      return answer.headers.getSetCookie()[0];
    };
    const plain = await cookie({});
    expect(plain).toMatch(/^reinstate_session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(await cookie({ origin: "https://dashboard.test" })).toContain("; Secure");
    expect(plain).not.toContain("demo-admin-key");
  });
});

describe.each(ledgerDatabases)("sessions on $name", ({ open: openDatabase }) => {
  test("end with the sign-out and the revoked key everywhere", async () => {
    await using database = await openDatabase();
    await using here = await open(database.url);
    await using elsewhere = await openDemoGateway(database.url);
    const { key, secret } = await here.host.keys.create({ vendor: "admin", name: "Ada" });
    const client = await signIn(here, secret);
    const other = Object.assign(createDashboardClient(elsewhere), { cookie: client.cookie });
    expect((await other.get("/batches")).status).toBe(200);
    expect((await client.post("/sign-out")).status).toBe(303);
    expect((await other.get("/batches")).status).toBe(303);

    const again = await signIn(here, secret);
    await elsewhere.host.keys.revoke(key.id);
    expect((await again.get("/batches")).status).toBe(303);
  });
});

describe("sign-in", () => {
  test("leaves the key in no page, address, cookie or log", async () => {
    await using gateway = await open();
    const { secret } = await gateway.host.keys.create({ vendor: "admin", name: "Ada" });
    const client = createDashboardClient(gateway);
    const answers = [
      await client.post("/sign-in", { secret: `${secret}x` }),
      await client.post("/sign-in", { secret }),
      ...(await Promise.all(["/batches", "/batches/1", "/keys"].map((path) => client.get(path)))),
    ];
    for (const answer of answers) {
      expect(JSON.stringify([...answer.headers]) + (await answer.text())).not.toContain(secret);
    }
    expect(JSON.stringify([client.cookie, gateway.errors])).not.toContain(secret);
  });

  test("answers 429 after ten wrong keys of an address", async () => {
    await using gateway = await open();
    const client = createDashboardClient(gateway);
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      statuses.push((await client.post("/sign-in", { secret: `wrong-${attempt}` })).status);
    }
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
    expect((await client.post("/sign-in", { secret: "demo-admin-key" })).status).toBe(303);
  });

  test("opens a link once and only links of this process", async () => {
    await using gateway = await open();
    const key = await gateway.host.keys.find("admin", "demo-admin-key");
    const path = gateway.dashboard.createSignInPath(key!);
    const client = createDashboardClient(gateway);
    expect((await client.get(path)).status).toBe(303);
    expect((await client.get("/batches")).status).toBe(200);
    const second = createDashboardClient(gateway);
    expect((await second.get(path)).status).toBe(401);
    expect((await second.get("/sign-in?link=guess")).status).toBe(401);
  });

  test.each([
    ["/batches/1?x=1", "/batches/1?x=1"],
    ["https://evil.example/", "/batches"],
    ["//evil.example/", "/batches"],
    ["/\\evil.example/", "/batches"],
    ["/.//evil.example", "/batches"],
    ["javascript:alert(1)", "/batches"],
  ])("opens %s as %s afterwards", async (next, opened) => {
    await using gateway = await open();
    const client = createDashboardClient(gateway);
    const answer = await client.post("/sign-in", { secret: "demo-admin-key", next });
    expect(answer.headers.get("location")).toBe(opened);
  });
});

const readLedger = async ({ host }: { host: Awaited<ReturnType<typeof open>>["host"] }) => ({
  batches: await host.batches.list({ limit: 100 }),
  keys: await host.keys.list(),
});
