import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import {
  type DocumentedCall,
  deleteCall,
  documented,
  getCall,
  listAllCall,
  listCall,
  olderDelete,
  printed,
  profileCall,
  setCall,
  suspendCalls,
  undeleteCalls,
} from "../fixtures/documents.ts";
import { start } from "../fixtures/server.ts";
import type { AltcraftOptions } from "../options.ts";
import { subscriptionIdentity } from "../schemas/identity.ts";
import { envelope } from "../schemas/replies.ts";
import { makeSubscription } from "../testing.ts";
import { readXml, writeXml } from "./xml.ts";
import { readValue } from "./xml-values.ts";

const { token, profile_id } = documented;
const shown = {
  priority: 10,
  custom_fields: { _device_type: "mob", _os: "Android", f1: "v" },
  cats: ["news", "tx"],
};
const pickIdentity = ({ request }: Pick<DocumentedCall, "request">) =>
  subscriptionIdentity.parse(JSON.parse(request.json));

const inBoth = ledgerDatabases.flatMap(({ name, open }) =>
  (["json", "xml"] as const).map((format) => ({ name, open, format })),
);

describe.each(inBoth)("the documents in $format on $name", ({ open, format }) => {
  /** A server with nothing but the documented token, profile and resource. */
  async function serve(options: AltcraftOptions = {}) {
    const database = await open();
    const server = await start(options, database.url);
    const { store } = server.server;
    await server.host.keys.create({ vendor: "altcraft", secret: token });
    await server.host.database
      .tables<{ altcraft_subscriptions: object }>()
      .deleteFrom("altcraft_subscriptions")
      .execute();
    await store.addProfiles([{ db_id: 1, profile_id }, printed]);
    await store.addResources([{ resource_id: 1, cats: null }]);
    const type = `application/${format}`;
    const send = (method: string, body: string, headers: Record<string, string> = {}) =>
      server.post(method, body, { "content-type": type, ...headers });
    return {
      ...{ server, store, send },
      /** Sends a call as it is documented, and expects the documented reply. */
      async answers({ method, request, reply }: Pick<DocumentedCall, "method" | "request" | "reply">) {
        expect(await send(method, request[format])).toMatchObject({ status: 200, type, text: reply[format] });
      },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("undelete and delete change only the flag, per channel", async () => {
    await using served = await serve();
    for (const call of undeleteCalls) {
      const before = makeSubscription(pickIdentity(call), { ...shown, status: "unsubscribed", is_delete: true, at: 5 });
      await served.store.addSubscriptions([before]);
      await served.answers(call);
      const after = await served.store.find(before);
      expect(after).toEqual({ ...before, is_delete: false, deleted_at: null, updated_at: after?.updated_at });
      await served.answers({ ...call, ...deleteCall, request: call.request });
      expect(await served.store.find(before)).toMatchObject({ is_delete: true, status: "unsubscribed" });
    }
  });

  test("get and list", async () => {
    await using served = await serve();
    await served.store.addSubscriptions([makeSubscription(pickIdentity(getCall), shown)]);
    await served.answers(getCall);
    await served.answers(listCall);
  });

  test("delete, without data as in the older sample", async () => {
    await using served = await serve({ deleteReplyData: "none" });
    await served.store.addSubscriptions([makeSubscription(pickIdentity(getCall))]);
    await served.answers(olderDelete);
  });

  test("set, with all its parameters and functions", async () => {
    await using served = await serve();
    const identity = pickIdentity(setCall);
    const before = makeSubscription(identity, setCall.before);
    await served.store.addSubscriptions([before]);
    await served.answers(setCall);
    expect(await served.store.find(before)).toMatchObject(setCall.after);
    const { custom_fields } = setCall.after as { custom_fields: object };
    expect((await served.store.find(before))?.custom_fields).toEqual(custom_fields);
  });

  test("list_all and profiles/get, with the ids that are printed", async () => {
    await using served = await serve();
    await served.store.addSubscriptions([makeSubscription(printed, { priority: 10, cats: ["news"] })]);
    await served.answers(listAllCall);
    await served.answers(profileCall);
    await served.store.flag([makeSubscription(printed)], { is_delete: true, at: 1 });
    const { text } = await served.send(profileCall.method, profileCall.request[format]);
    expect(text).toMatch(/is_delete("?[:>])true/);
  });

  test("suspend_all and unsuspend_all", async () => {
    await using served = await serve();
    let phone = 0;
    for (const call of suspendCalls) {
      const crowd = Array.from({ length: call.updated - (call.from === "suspended" ? phone : 0) }, () =>
        makeSubscription(
          { db_id: 1, resource_id: 1, profile_id, channel: "sms", phone: String(++phone) },
          { status: call.from },
        ),
      );
      await served.store.addSubscriptions(crowd);
      await served.answers(call);
    }
  });

  describe("the case table", () => {
    const push = { db_id: 1, resource_id: 26, profile_id, channel: "push", provider: "Firefox", subscription_id: "x" };
    const { channel: _, ...noChannel } = push;
    const cases: [string, string, Record<string, unknown>, { error: number; error_text: string | RegExp }][] = [
      ["success", "undelete", { token, ...push }, { error: 0, error_text: "Successful operation" }],
      ["no token", "undelete", push, { error: 401, error_text: "API token required" }],
      ["an unknown token", "undelete", { token: "x", ...push }, { error: 401, error_text: /./ }],
      ["a token without rights", "undelete", { token: "reader", ...push }, { error: 403, error_text: /^No / }],
      ["a parameter missing", "undelete", { token, ...noChannel }, { error: 400, error_text: /"channel"/ }],
      [
        "a parameter of another type",
        "undelete",
        { token, ...push, db_id: "one" },
        { error: 400, error_text: /"db_id"/ },
      ],
      ["an unknown database", "list", { token, db_id: 9, profile_id }, { error: 404, error_text: /^Database/ }],
      ["an unknown resource", "set", { token, ...push, resource_id: 9 }, { error: 404, error_text: /^Resource/ }],
      ["an unknown profile", "set", { token, ...push, profile_id: "x" }, { error: 404, error_text: /^Profile/ }],
      ["an unknown channel", "get", { token, ...push, channel: "smoke" }, { error: 400, error_text: /"cc_data"/ }],
      [
        "an unknown category",
        "set",
        { token, ...push, cats: ["none"] },
        { error: 400, error_text: /field "subscriptions.cats" is not valid: category not found in resource$/ },
      ],
      ...(["get", "delete", "undelete"] as const).map((verb): (typeof cases)[number] => [
        `${verb} of what is not there`,
        verb,
        { token, ...push, subscription_id: "none" },
        { error: 404, error_text: "Subscription not found" },
      ]),
      ["delete", "delete", { token, ...push }, { error: 0, error_text: "Successful operation" }],
      ["delete of what is deleted", "delete", { token, ...push }, { error: 0, error_text: "Successful operation" }],
      ["undelete", "undelete", { token, ...push }, { error: 0, error_text: "Successful operation" }],
      ["undelete of what lives", "undelete", { token, ...push }, { error: 0, error_text: "Successful operation" }],
      ["an unknown method", "vanish", { token }, { error: 404, error_text: "Method not found" }],
    ];

    test("each case, one after the other", async () => {
      await using served = await serve();
      const options = { methods: ["subscriptions/get"] };
      await served.server.host.keys.create({ vendor: "altcraft", secret: "reader", options });
      await served.store.addResources([{ resource_id: 27, cats: [] }]);
      await served.store.addSubscriptions([makeSubscription(subscriptionIdentity.parse(push), { is_delete: true })]);
      for (const [name, method, given, { error, error_text }] of cases) {
        const body = "cats" in given ? { ...given, resource_id: 27 } : given;
        const text = format === "xml" ? writeXml(body, { request: true }) : JSON.stringify(body);
        const reply = await served.send(`subscriptions/${method}`, text);
        const told =
          format === "xml" ? readValue(readXml(reply.text), envelope, { reply: true }) : JSON.parse(reply.text);
        expect(told, name).toMatchObject({ error });
        if (typeof error_text === "string") expect(told.error_text, name).toBe(error_text);
        else expect(told.error_text, name).toMatch(error_text);
        expect(reply.status, name).toBe(error === 0 ? 200 : error);
        if (error !== 0 && format === "xml") {
          expect(reply.text, name).toMatch(/^<xml><error>\d+<\/error><error_text>.+<\/error_text><\/xml>$/);
        }
      }
    });

    test("a body that cannot be parsed", async () => {
      await using served = await serve();
      const reply = await served.send("subscriptions/undelete", format === "xml" ? "<xml><token>" : '{"token":');
      expect(reply.status).toBe(400);
      expect(reply.text).toContain("Incorrect request: the body is not");
    });
  });
});
