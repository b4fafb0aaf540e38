import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { api } from "./api.ts";

describe.each(ledgerDatabases)("account isolation on $name", ({ open }) => {
  test("hides another account's records on every route", async () => {
    await using database = await open();
    await using server = await start(database.url, { rateLimit: 0 });
    const { store } = server.instance;
    const [ours, theirs] = [await store.defaultCampaign("acc_demo"), await store.defaultCampaign("acc_other")];
    const batch = (await server.call("POST", "/promoters/archive", { ids: [2006, 2007] }, server.other)).body;
    const listAll = () => store.list("acc_other", { sorting: [], limit: 100, offset: 0 });
    const before = [await listAll(), await server.host.batches.get(batch.id)];
    const missing = 4_000_000;

    /** Calls a route. Returns the response without the requested id. */
    const asked = async (method: string, path: string, promoter: number, campaign: number, batchId: number) => {
      const id = path.startsWith("/batch_processes") ? batchId : promoter;
      const body = {
        ids: [promoter, promoter + 5],
        campaign_id: campaign,
        parent_promoter_id: promoter,
        note: "seen",
        from_campaign_id: campaign,
        to_campaign_id: ours.id,
        email: "walls@example.com",
        initial_campaign_id: campaign,
      };
      const list = `filters[campaign_id]=${campaign}&filters[status]=completed&filters[outcome]=done`;
      const query = path === "/promoters/{id}" ? "" : `?${list}`;
      const target = `${path.replace("{id}", String(id))}${method === "GET" ? query : ""}`;
      const answer = await server.call(method, target, method === "GET" ? undefined : body);
      const named = answer.text
        .replaceAll(/"(id|created_at|updated_at)":("[^"]*"|\d+)/g, '"$1":0')
        .replaceAll(/(promoter|campaign) \d+/gi, "$1 N");
      return { status: answer.status, named };
    };
    for (const { method, path } of api) {
      const ofTheirs = await asked(method, path, 2001, theirs.id, batch.id);
      const ofMissing = await asked(method, path, missing, missing + 1, missing + 2);
      expect({ method, path, ...ofTheirs }).toEqual({ method, path, ...ofMissing });
    }
    for (const [name, value] of [
      ["email", "ben.adler.2001@example.com"],
      ["cust_id", "cust_2001"],
      ["ref_token", "demo2001"],
    ]) {
      const path = `/promoters/${encodeURIComponent(value!)}`;
      expect((await server.call("GET", `${path}?find_by=${name}`, undefined, server.other)).status).toBe(200);
      expect((await server.call("GET", `${path}?find_by=${name}`)).status).toBe(422);
      expect((await server.call("PUT", path, { find_by: name, note: "seen" })).status).toBe(404);
    }
    for (const filter of ["ids[]=2001", "filters[parent_promoter_id]=2001", "q=demo2001"]) {
      expect((await server.call("GET", `/promoters?${filter}&filters[archived]=true`)).body.data).toEqual([]);
    }
    expect([await listAll(), await server.host.batches.get(batch.id)]).toEqual(before);
  });
});
