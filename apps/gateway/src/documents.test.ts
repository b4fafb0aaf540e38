import { execFileSync } from "node:child_process";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

/** The examples of the vendors' documents, as printed: only the host and the keys are replaced. */
const printed = {
  firstpromoter: `curl --request POST \\
  --url https://v2.firstpromoter.com/api/v2/company/promoters/restore \\
  --header 'Account-ID: <account-id>' \\
  --header 'Authorization: Bearer <token>' \\
  --header 'Content-Type: application/json' \\
  --data '{
  "ids": [
    123
  ]
}'`,
  altcraftJson: `{
"token": "abcdefghijklmnqrstuvwxyz",
"db_id": 1,
"resource_id": 26,
"channel": "push",
"subscription_id": "abcdefghijklmnqrstuvwxyz",
"profile_id": "abcdefghijklmnqrstuvwxyz",
"provider": "Firefox"
}`,
  altcraftXml: `<xml>
<token>abcdefghijklmnqrstuvwxyz</token>
<db_id>1</db_id>
<resource_id>26</resource_id>
<channel>push</channel>
<subscription_id>abcdefghijklmnqrstuvwxyz</subscription_id>
<profile_id>abcdefghijklmnqrstuvwxyz</profile_id>
<provider>Firefox</provider>
</xml>`,
  vicidial: `curl -k -X POST https://server/vicidial/PATH \\
-H "Authorization: Key=YOUR_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{ "insert_leads": true, "delete_leads": true, "lead_ids": [ 0, 1 ] }'`,
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
        .replace("PATH", path)
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
