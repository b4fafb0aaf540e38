import { createAltcraft } from "@reinstate/altcraft";
import { createHost } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { Hono } from "hono";
import { openBare } from "./bare.ts";
import { type Line, median } from "./report.ts";
import { isQuick } from "./scale.ts";
import { crowd, inTurns, serving } from "./serving.ts";
import { fillSubscriptions, plainUndeleteOne, subscription } from "./subscriptions.ts";

const perTurn = 50;
/** Calls per turn. More for several clients, because not all of them are busy at the start and the end of a turn. */
const callsPerClient = 40;
const token = "bench-token";
type Subscription = ReturnType<typeof subscription>;
/** Milliseconds per call: in JSON, in XML, and of the bare route. */
type Row = [json: number, xml: number, plain: number];

const asXml = ({ db_id, resource_id, profile_id, channel, email }: Subscription) =>
  `<xml><token>${token}</token><db_id>${db_id}</db_id><resource_id>${resource_id}</resource_id><profile_id>${profile_id}</profile_id><channel>${channel}</channel><email>${email}</email></xml>`;
const asJson = (one: Subscription) => JSON.stringify({ token, ...one });
const undelete = "/api/v1.1/subscriptions/undelete";

/** Compares `undelete` of one subscription over HTTP: JSON with a bare route, XML with JSON. */
export async function altcraftHttp(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  const turns = isQuick(scale) ? 1 : Math.max(6, Math.round(40 * scale));
  const perClient = isQuick(scale) ? 2 : callsPerClient;
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const host = await createHost({ databaseUrl: opened.url });
    const { routes } = await createAltcraft(host);
    await host.keys.create({ vendor: "altcraft", secret: token });
    await using bare = await openBare(opened.url, 10);
    // Each subscription is undeleted once: three ways, two numbers of clients.
    await fillSubscriptions(bare, 3 * (perTurn + perClient * crowd) * (turns + 6));
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
      const all = Object.values(ways).map((way) => () => way(subscription(next++)));
      for (const [who, clients] of [
        [`${crowd} clients`, crowd],
        ["one client", 1],
      ] as const) {
        const rows = (await inTurns({ turns, perTurn: clients === 1 ? perTurn : perClient, clients }, all)) as Row[];
        const ms = (way: number) => `${median(rows.map((row) => row[way] as number)).toFixed(2)} ms`;
        lines.push(
          {
            work: `Altcraft undelete over HTTP, ${who}`,
            database,
            ours: ms(0),
            compared: `bare Hono route, same statement: ${ms(2)}`,
            figure: median(rows.map(([json, , plain]) => plain / json)),
            // See docs/decisions/http-performance-target.md.
            ...(clients > 1 && { wanted: { atLeast: 0.8 } }),
          },
          {
            work: `Altcraft undelete over HTTP, XML, ${who}`,
            database,
            ours: ms(1),
            compared: `JSON: ${ms(0)}`,
            figure: median(rows.map(([json, xml]) => json / xml)),
            wanted: { atLeast: 0.75 },
          },
        );
      }
    }
    await host.close();
  }
  return lines;
}
