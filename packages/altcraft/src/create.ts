import {
  type Host,
  type InspectOptions,
  inspectHostDatabase,
  inspectUpstream,
  type VendorInspection,
  type VendorInstance,
} from "@reinstate/batch-core";
import { createConsent } from "./consent/port.ts";
import { createMethods } from "./http/methods/methods.ts";
import { createFlagBatches } from "./http/methods/run-flag-batch.ts";
import { createRoutes } from "./http/routes.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpstream } from "./operations/upstream.ts";
import { type AltcraftOptions, readOptions } from "./options.ts";
import { type ParsedSubscription, type SubscriptionImport, subscriptionImport } from "./schemas/requests.ts";
import { readInstallationId } from "./store/installation.ts";
import { createSqlStore } from "./store/sql-store.ts";
import type { SubscriptionStore } from "./store/store.ts";
import { newSubscription, toKeyText } from "./subscriptions/rules.ts";

/** Result of loading subscriptions. */
export interface Loaded {
  added: number;
  /** Number of subscriptions that existed and were not changed. */
  kept: number;
  /** Indexes in the list of subscriptions that were erased here, and were not added. */
  erased: number[];
}

/** A running instance of Altcraft's subscriptions API. */
export interface Altcraft extends VendorInstance {
  /** Store of profiles, resources and subscriptions, for access without HTTP. */
  store: SubscriptionStore;
  /**
   * Adds subscriptions with their profiles and resources. A resource added this way allows any category. Existing records are not
   * changed, and erased subscriptions are not added.
   *
   * @throws `ZodError` if a subscription is invalid; then nothing is added
   */
  load(subscriptions: readonly SubscriptionImport[]): Promise<Loaded>;
  /** Adds subscriptions that the schema `subscriptionImport` has parsed. */
  loadParsed(subscriptions: readonly ParsedSubscription[]): Promise<Loaded>;
}

/**
 * Creates Altcraft's subscriptions API v1.1 over the host's database. Registers the operations `altcraft.subscriptions.undelete` and
 * `altcraft.subscriptions.delete`, and with `upstream` also their versions for the real Altcraft.
 *
 * Tokens are the host's keys of the vendor `altcraft`. A key's option `methods` limits it to the listed methods. Without it, a key may
 * call all methods but erase, suppress and unsuppress.
 *
 * @throws `bad_setting` if an option is invalid
 *
 * @example
 * const host = await createHost({ databaseUrl: "sqlite:./reinstate.db" });
 * const { routes } = await createAltcraft(host, { extensions: "on" });
 */
export async function createAltcraft(host: Host, options: AltcraftOptions = {}): Promise<Altcraft> {
  const { settings, upstream } = readOptions(options);
  const store = await createSqlStore(host.database);
  const consent = createConsent(host, store, settings);
  const operations = [
    ...createOperations(host, store, consent, settings),
    ...(upstream
      ? createUpstream({ host, upstream, installation: await readInstallationId(host.database), consent, settings })
      : []),
  ];
  host.register(...operations);
  host.declareAccounts({ vendor: "altcraft", label: "Altcraft" });
  const methods = createMethods({ host, store, consent, flagBatches: createFlagBatches(host, settings), settings });
  const routes = createRoutes(host, methods, settings);

  async function loadParsed(subscriptions: readonly ParsedSubscription[]): Promise<Loaded> {
    const now = host.clock.now();
    const records = subscriptions.map(({ is_delete, ...subscription }) => ({
      ...newSubscription(subscription, subscription, now, settings),
      is_delete,
      deleted_at: is_delete ? now : null,
    }));
    const erased = await consent.findErased(records);
    const isErased = (record: (typeof records)[number]) => erased.size > 0 && erased.has(toKeyText(record));
    const toAdd = records.filter((record) => !isErased(record));
    await store.addProfiles(toAdd);
    await store.addResources(toAdd.map(({ resource_id }) => ({ resource_id, cats: null })));
    const added = await store.addSubscriptions(toAdd);
    return {
      added,
      kept: toAdd.length - added,
      erased: records.flatMap((record, index) => (isErased(record) ? [index] : [])),
    };
  }

  const load = async (subscriptions: readonly SubscriptionImport[]) =>
    loadParsed(subscriptions.map((subscription) => subscriptionImport.parse(subscription)));

  async function inspect(request: InspectOptions = {}): Promise<VendorInspection> {
    const [local, remote] = await Promise.all([
      inspectHostDatabase(host),
      upstream && inspectUpstream({ url: upstream.baseUrl, fetch: upstream.fetch }, request),
    ]);
    return { ...local, targets: [...local.targets, ...(remote ? [remote] : [])] };
  }

  return { routes, operations, store, load, loadParsed, inspect };
}
