import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

interface Example {
  name: string;
  curl?: string[];
  request: { json: object; xml: string[] };
}

/** Returns an example of a vendor's documents as printed: only the host and the keys are replaced below. */
function findExample(vendor: string, list: string, name: string): Example {
  const file = new URL(`../../../packages/${vendor}/src/fixtures/documents.json`, import.meta.url);
  const documents = JSON.parse(readFileSync(file, "utf8")) as Record<string, Example[]>;
  return documents[list]?.find((example) => example.name === name) as Example;
}

const undelete = findExample("altcraft", "exchanges", "undelete push").request;
const printed = {
  firstpromoter: findExample("firstpromoter", "samples", "restore").curl?.join("\n") ?? "",
  altcraftJson: JSON.stringify(undelete.json, null, 1),
  altcraftXml: undelete.xml.join("\n"),
  vicidial: findExample("vicidial", "exchanges", "two leads").curl?.join("\n") ?? "",
};

const shell = (command: string) =>
  execFileSync("bash", ["-c", command], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const altcraftKey = (text: string) => text.replace(/(token"?(?:: "|>))[a-z]+/, "$1demo-altcraft-token");

describe.each(ledgerDatabases)("the documents' examples on $name", ({ open }) => {
  async function start() {
    const database = await open();
    const gateway = await startGateway({
      REINSTATE_DEMO: "true",
      REINSTATE_DATABASE_URL: database.url,
      LOG_LEVEL: "silent",
    });
    return {
      url: gateway.baseUrl,
      async [Symbol.asyncDispose]() {
        await gateway[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("restores FirstPromoter's promoter 123", async () => {
    await using demo = await start();
    const command = printed.firstpromoter
      .replace("https://v2.firstpromoter.com", demo.url)
      .replace("<account-id>", "acc_demo")
      .replace("<token>", "demo-firstpromoter-key");
    const answer = JSON.parse(shell(command));
    expect(Object.keys(answer)).toEqual([
      ...["id", "status", "total", "selected_total", "processed_count", "failed_count", "action_label"],
      ...["created_at", "updated_at", "meta", "progress", "processing_errors"],
    ]);
    expect(answer).toMatchObject({ status: "completed", total: 1, processed_count: 1, failed_count: 0 });
  });

  test.each([
    ["application/json", printed.altcraftJson, '{"data":null,"error":0,"error_text":"Successful operation"}'],
    [
      "application/xml",
      printed.altcraftXml,
      "<xml><data/><error>0</error><error_text>Successful operation</error_text></xml>",
    ],
  ])("restores Altcraft's push subscription by %s", async (type, example, answer) => {
    await using demo = await start();
    const send = async (headers: Record<string, string>) => {
      const body = altcraftKey(example);
      const response = await fetch(`${demo.url}/api/v1.1/subscriptions/undelete`, { method: "POST", headers, body });
      return [response.headers.get("x-reinstate-batch"), await response.text()];
    };
    const [batch, text] = await send({ "content-type": type });
    expect(text).toBe(answer);
    const items = await fetch(`${demo.url}/v1/batches/${batch}/items`, {
      headers: { authorization: "Bearer demo-admin-key" },
    });
    expect(await items.json()).toMatchObject({ items: [{ outcome: "done" }] });
  });

  test.each(["leads/dearchive", "lead/dearchive/customer_name"])(
    "moves VICIdial's leads 0 and 1 at %s",
    async (path) => {
      await using demo = await start();
      const command = printed.vicidial
        .replace("https://server", demo.url)
        .replace("leads/dearchive", path)
        .replace("YOUR_API_KEY", "demo-vicidial-key");
      expect(JSON.parse(shell(command))).toMatchObject({ select_count: 2, insert_count: 2, delete_count: 2 });
    },
  );

  test("moves a promoter between the two campaigns of the demo", async () => {
    await using demo = await start();
    const headers = {
      authorization: "Bearer demo-firstpromoter-key",
      "account-id": "acc_demo",
      "content-type": "application/json",
    };
    const promoters = `${demo.url}/api/v2/company/promoters`;
    const move = async (from_campaign_id: number, to_campaign_id: number) => {
      const body = JSON.stringify({ ids: [950], from_campaign_id, to_campaign_id });
      const answer = await fetch(`${promoters}/move_to_campaign`, { method: "POST", headers, body });
      expect(await answer.json()).toMatchObject({ processed_count: 1, failed_count: 0 });
      const shown = await fetch(`${promoters}/950`, { headers });
      expect(await shown.json()).toMatchObject({ promoter_campaigns: [{ campaign_id: to_campaign_id }] });
    };
    await move(1, 2);
    await move(2, 1);
  });
});
