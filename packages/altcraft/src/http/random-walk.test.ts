import { ledgerDatabases } from "@reinstate/tooling/databases";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { type Status, statuses } from "../schemas/requests.ts";

/** Model of a subscription: the rules written a second time. */
interface Modelled {
  status: Status;
  priority: number | undefined;
  is_delete: boolean;
}

const addresses = [
  { channel: "email", email: "a@example.com" },
  { channel: "email", email: "b@example.com" },
  { channel: "sms", phone: "+7900" },
  { channel: "push", provider: "google", subscription_id: "t" },
  { channel: "telegram_bot", cc_data: { id: 7 } },
  { channel: "viber", cc_data: { phone: "+7900" } },
  { channel: "own_bot", cc_data: { user: "x" } },
] as const;

const which = fc.nat(addresses.length - 1);
const step = fc.oneof(
  fc.record({
    act: fc.constant("set" as const),
    which,
    status: fc.option(fc.constantFrom(...statuses), { nil: undefined }),
    priority: fc.option(fc.nat(9), { nil: undefined }),
  }),
  fc.record({ act: fc.constantFrom("delete" as const, "undelete" as const, "get" as const), which }),
  fc.record({
    act: fc.constantFrom("suspend_all" as const, "unsuspend_all" as const),
    channel: fc.option(fc.constantFrom("email", "sms", "own_bot"), { nil: undefined }),
  }),
  fc.record({ act: fc.constant("undelete_batch" as const), of: fc.array(which, { minLength: 1, maxLength: 5 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

class Model {
  readonly kept = new Map<number, Modelled>();

  /** Does the same as the server is asked to, and says what it must answer. */
  take(step: Step): object {
    switch (step.act) {
      case "set": {
        const before = this.kept.get(step.which);
        const status = step.status ?? before?.status ?? "subscribed";
        this.kept.set(step.which, { status, priority: step.priority ?? before?.priority, is_delete: false });
        return { error: 0, data: null };
      }
      case "delete":
      case "undelete":
        return { error: this.flag(step.which, step.act === "delete") };
      case "get": {
        const found = this.kept.get(step.which);
        if (!found || found.is_delete) return { error: 404 };
        const { status, priority } = found;
        return {
          error: 0,
          data: { resource_id: 26, ...addresses[step.which], status, ...(priority !== undefined && { priority }) },
        };
      }
      case "undelete_batch":
        return { error: 0, result: step.of.map((index) => ({ error: this.flag(index, false) })) };
      default: {
        const [from, to]: Status[] =
          step.act === "suspend_all" ? ["subscribed", "suspended"] : ["suspended", "subscribed"];
        let updated = 0;
        for (const [index, one] of this.kept) {
          const inScope = step.channel === undefined || addresses[index]?.channel === step.channel;
          if (!inScope || one.is_delete || one.status !== from) continue;
          one.status = to as Status;
          updated++;
        }
        return { error: 0, updated };
      }
    }
  }

  private flag(index: number, is_delete: boolean): number {
    const found = this.kept.get(index);
    if (!found) return 404;
    found.is_delete = is_delete;
    return 0;
  }
}

function request(step: Step, place: { db_id: number }): object {
  const named = (index: number) => ({ ...place, ...addresses[index] });
  switch (step.act) {
    case "undelete_batch":
      return { data: step.of.map(named) };
    case "suspend_all":
    case "unsuspend_all":
      return { db_id: place.db_id, channel: step.channel };
    case "set":
      return { ...named(step.which), status: step.status, priority: step.priority };
    default:
      return named(step.which);
  }
}

describe.each(ledgerDatabases)("any walk of set, delete, undelete and suspend on $name", ({ open }) => {
  test("ends as the model does, each step answered as it says", async () => {
    await using database = await open();
    await using server = await start({ extensions: "on" }, database.url);
    const { store } = server.server;
    // Every walk has a database of its own in the vendor's sense.
    let db_id = 100;
    const walk = fc.asyncProperty(fc.array(step, { maxLength: 30, size: "max" }), async (steps) => {
      const place = { db_id: ++db_id, resource_id: 26, profile_id: "p" };
      await store.addProfiles([place]);
      const model = new Model();
      for (const one of steps) {
        const asked = request(one, place);
        const expected = model.take(one);
        expect(await server.ask(`subscriptions/${one.act}`, asked)).toMatchObject(expected);
      }
      const stored = await store.listProfile(place, { deleted: true });
      const seen = stored.map(({ channel, fields, status, priority, is_delete }) => ({
        ...{ channel, ...fields, status, is_delete },
        priority: priority ?? undefined,
      }));
      const wanted = [...model.kept].map(([index, one]) => ({ ...addresses[index], ...one }));
      const sorted = (list: object[]) => list.map((one) => JSON.stringify(one, Object.keys(one).sort())).sort();
      expect(sorted(seen)).toEqual(sorted(wanted));
      expect(new Set(stored.map(({ deleted_at, is_delete }) => (deleted_at !== null) === is_delete))).not.toContain(
        false,
      );
    });
    await fc.assert(walk, { numRuns: 30 });
  });
});
