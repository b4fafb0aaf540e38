import { createAltcraft } from "@reinstate/altcraft";
import { createHost } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { Hono } from "hono";
import { openBare } from "./bare.ts";
import { type Line, median } from "./report.ts";
import { serving } from "./serving.ts";
import { fillSubscriptions, plainUndeleteOne, subscription } from "./subscriptions.ts";

const perTurn = 50;
const token = "bench-token";
type Subscription = ReturnType<typeof subscription>;

const asXml = ({ db_id, resource_id, profile_id, channel, email }: Subscription) =>
  `<xml><token>${token}</token><db_id>${db_id}</db_id><resource_id>${resource_id}</resource_id><profile_id>${profile_id}</profile_id><channel>${channel}</channel><email>${email}</email></xml>`;
const asJson = (one: Subscription) => JSON.stringify({ token, ...one });
const undelete = "/api/v1.1/subscriptions/undelete";

/** `undelete` of one over HTTP: JSON beside a bare route, XML beside JSON. */
export async function altcraftHttp(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = Math.max(6, Math.round(40 * scale));
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const host = await createHost({ databaseUrl: opened.url });
    const { routes } = await createAltcraft(host);
    await host.keys.create({ vendor: "altcraft", secret: token });
    await using bare = await openBare(opened.url);
    await fillSubscriptions(bare, 3 * perTurn * (turns + 6));
    const change = plainUndeleteOne(bare);
    const plain = new Hono().post("/undelete", async (c) => {
      const { token: _token, ...one } = await c.req.json<Subscription & { token: string }>();
      const found = (await change(one)) === 1;
      return c.json(
        found ? { data: null, error: 0, error_text: "Successful operation" } : { error: 404 },
        found ? 200 : 404,
      );
    });
    {
      await using ours = await serving(routes.fetch);
      await using theirs = await serving(plain.fetch);
      const ways = {
        json: (one: Subscription) => ours.call(undelete, asJson(one)),
        xml: (one: Subscription) => ours.call(undelete, asXml(one), "application/xml"),
        plain: (one: Subscription) => theirs.call("/undelete", asJson(one)),
      };
      let next = 1;
      const time = async (way: keyof typeof ways) => {
        const taken: number[] = [];
        for (let i = 0; i < perTurn; i++) {
          const one = subscription(next++);
          const start = performance.now();
          await ways[way](one);
          taken.push(performance.now() - start);
        }
        return median(taken);
      };
      const order = Object.keys(ways) as (keyof typeof ways)[];
      const measured: Record<keyof typeof ways, number>[] = [];
      for (let turn = 0; turn < turns + 6; turn++) {
        const one = { json: 0, xml: 0, plain: 0 };
        for (const way of order) one[way] = await time(way);
        order.push(order.shift() as keyof typeof ways);
        // Code warms up, and the databases.
        if (turn >= 6) measured.push(one);
      }
      const ms = (way: keyof typeof ways) => `${median(measured.map((one) => one[way])).toFixed(2)} ms`;
      lines.push(
        {
          work: "Altcraft undelete over HTTP",
          database,
          ours: ms("json"),
          compared: `bare Hono route, same statement: ${ms("plain")}`,
          figure: median(measured.map((one) => one.plain / one.json)),
          wanted: { atLeast: 0.8 },
        },
        {
          work: "Altcraft undelete over HTTP, XML",
          database,
          ours: ms("xml"),
          compared: `JSON: ${ms("json")}`,
          figure: median(measured.map((one) => one.json / one.xml)),
          wanted: { atLeast: 0.75 },
        },
      );
    }
    await host.close();
  }
  return lines;
}
