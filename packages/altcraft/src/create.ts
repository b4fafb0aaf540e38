import type { Host, VendorInstance } from "@reinstate/batch-core";
import { createMethods } from "./http/methods/methods.ts";
import { createFlagSetter } from "./http/methods/set-deleted-flag.ts";
import { createRoutes } from "./http/routes.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpstream } from "./operations/upstream.ts";
import { type AltcraftOptions, readOptions } from "./options.ts";
import { type SubscriptionImport, type SubscriptionRead, subscriptionImport } from "./schemas.ts";
import { createSqlConsentStore } from "./store/consent.ts";
import { createSqlStore } from "./store/sql-store.ts";
import type { SubscriptionStore } from "./store/store.ts";
import { digestKey, newSubscription } from "./subscriptions/rules.ts";

/** What became of subscriptions that were brought in. */
export interface Loaded {
  added: number;
  /** Were there already. */
  kept: number;
  /** The places in the list of those that were erased here and do not come back. */
  erased: number[];
}

/** Altcraft's subscriptions API at work. */
export interface Altcraft extends VendorInstance {
  /** The records: where profiles, resources and subscriptions are added and looked at without HTTP. */
  store: SubscriptionStore;
  /**
   * Brings subscriptions in from elsewhere, with their profiles and their resources (which may then have any category).
   * What is there already is left as it is, and what was erased is left out. Throws a `ZodError` where one is not valid;
   * nothing is added then.
   */
  load(subscriptions: readonly SubscriptionImport[]): Promise<Loaded>;
  /** The same of what the schema `subscriptionImport` has read already. */
  loadRead(subscriptions: readonly SubscriptionRead[]): Promise<Loaded>;
}

/**
 * Serves Altcraft's subscriptions API v1.1 over the host's database, and registers `altcraft.subscriptions.undelete` and
 * `altcraft.subscriptions.delete` with its batches; with an `upstream` also for that target, carried out
 * by the real Altcraft. Tokens are the host's keys of the vendor `altcraft`; a key's option `methods` limits it to the methods
 * listed, and without it a key may call all but erase, suppress and unsuppress. Throws `bad_setting` where an option is not valid.
 */
export async function createAltcraft(host: Host, options: AltcraftOptions = {}): Promise<Altcraft> {
  const { settings, upstream } = readOptions(options);
  const store = await createSqlStore(host.database);
  const consent = createSqlConsentStore(host.database);
  const operations = [
    ...createOperations(host, store, consent, settings),
    ...(upstream
      ? createUpstream({ host, upstream, installation: await consent.installationId(), consent, settings })
      : []),
  ];
  host.register(...operations);
  host.declareAccounts({ vendor: "altcraft", label: "Altcraft" });
  const methods = createMethods({ host, store, consent, flagSetter: createFlagSetter(host, settings), settings });
  const routes = createRoutes(host, methods, settings);

  async function loadRead(read: readonly SubscriptionRead[]): Promise<Loaded> {
    const now = host.clock.now();
    const made = read.map(({ is_delete, ...subscription }) => ({
      ...newSubscription(subscription, subscription, now, settings),
      ...{ is_delete, deleted_at: is_delete ? now : null },
    }));
    const erased = await consent.erased(made.map(digestKey));
    const mayCome = erased.size === 0 ? made : made.filter((one) => !erased.has(digestKey(one)));
    await store.addProfiles(mayCome);
    await store.addResources(mayCome.map(({ resource_id }) => ({ resource_id, cats: null })));
    const added = await store.addSubscriptions(mayCome);
    return {
      added,
      kept: mayCome.length - added,
      erased: erased.size === 0 ? [] : made.flatMap((one, index) => (erased.has(digestKey(one)) ? [index] : [])),
    };
  }

  const load = async (given: readonly SubscriptionImport[]) =>
    loadRead(given.map((one) => subscriptionImport.parse(one)));

  return { routes, operations, store, load, loadRead };
}
