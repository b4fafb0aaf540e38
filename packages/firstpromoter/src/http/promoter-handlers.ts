import type { Host } from "@reinstate/batch-core";
import type { Options } from "../options.ts";
import { findBy as findByWord } from "../schemas.ts";
import { type LookUp, type PromoterRecord, type PromoterStore, Taken } from "../store/store.ts";
import type { PromoterOperationId } from "./api.ts";
import { type ParamMap, parseBoolean, readText, withoutBlanks } from "./bracket-params.ts";
import { apiError, invalidRecord } from "./errors.ts";
import { promoterBody } from "./promoter-body.ts";
import { parsePromoterQuery } from "./promoter-query.ts";
import {
  type Handler,
  keepsOtherFields,
  readNewPromoter,
  readParams,
  readPromoterChanges,
  readQuery,
} from "./requests.ts";

/** Reading and writing promoters. */
export function createPromoterHandlers(
  host: Host,
  store: PromoterStore,
  options: Options,
): Record<PromoterOperationId, Handler> {
  /** `missed`: how it is refused that nobody has the value that `find_by` names. */
  async function found(
    account: string,
    value: string,
    findBy: unknown,
    missed: "not_found" | "cannot_find_by" = "cannot_find_by",
  ): Promise<PromoterRecord> {
    const by = readFindBy(findBy);
    if (by === "id" && !/^\d{1,15}$/.test(value)) throw apiError("not_found");
    // A word that is unknown must not find whom the id of that number belongs to. The character zero is in no record, and
    // PostgreSQL takes no text with it.
    const promoter = by === undefined || value.includes("\0") ? undefined : await store.find(account, by, value);
    if (!promoter) throw by === "id" ? apiError("not_found") : apiError(missed, by ?? shorten(findBy));
    return promoter;
  }

  return {
    async getPromoters(c) {
      const params = readQuery(c.req.raw);
      const [promoters, pending] = await Promise.all([
        store.list(c.get("account"), parsePromoterQuery(params, options, host.clock.now())),
        store.countPending(c.get("account")),
      ]);
      const show = shown(params);
      return c.json({
        data: promoters.map((promoter) => promoterBody(promoter, options, show)),
        meta: { pending_count: pending },
      });
    },

    async getPromoter(c) {
      const params = readQuery(c.req.raw);
      const promoter = await found(c.get("account"), c.req.param("id") ?? "", params.find_by);
      return c.json(promoterBody(promoter, options, shown(params)));
    },

    async createPromoter(c) {
      const account = c.get("account");
      const {
        initial_campaign_id,
        always_approve = true,
        drip_emails: _,
        ...given
      } = readNewPromoter(await readParams(c.req.raw, options, { data: ["custom_fields"] }));
      const [campaign] =
        initial_campaign_id === undefined
          ? [await store.defaultCampaign(account)]
          : await store.campaigns(account, [initial_campaign_id]);
      if (!campaign) throw apiError("not_found");
      const campaigns = [
        { campaign_id: campaign.id, state: always_approve ? ("accepted" as const) : ("pending" as const) },
      ];
      const [id] = await orInvalid(store.create(account, [{ ...given, campaigns }], host.clock.now()));
      return c.json(promoterBody(await found(account, String(id), undefined), options), 201);
    },

    async updatePromoter(c) {
      const account = c.get("account");
      const params = await readParams(c.req.raw, options, { data: ["custom_fields"] });
      // The page of this call declares no 422.
      const { id } = await found(account, c.req.param("id") ?? "", params.find_by, "not_found");
      const { find_by: _, ...changes } = readPromoterChanges(params);
      const { custom_fields, ...others } = changes;
      const fields = keepsOtherFields(params) ? { custom_fields_changed: custom_fields } : { custom_fields };
      await orInvalid(store.update(account, id, { ...others, ...fields }, host.clock.now()));
      return c.json(promoterBody(await found(account, String(id), undefined), options));
    },
  };
}

/** The value that a promoter is looked up by: his id if `find_by` is not there or blank; undefined for an unknown word. */
function readFindBy(given: unknown): LookUp | undefined {
  const { findBy = "id" } = withoutBlanks({ findBy: given });
  const word = readText(findBy)?.trim();
  return word === "id" ? word : findByWord.safeParse(word).data;
}

const shorten = (value: unknown) => (readText(value) ?? "a list").slice(0, 50);

function shown(params: ParamMap): { parent: boolean; payoutMethod: boolean } {
  return {
    parent: parseBoolean(params.include_parent_promoter) ?? false,
    payoutMethod: !(parseBoolean(params.exclude_payout_method) ?? false),
  };
}

/** Turns a value that is in use into the vendor's words. */
async function orInvalid<Result>(write: Promise<Result>): Promise<Result> {
  return write.catch((error: unknown) => {
    if (!Taken.is(error)) throw error;
    throw invalidRecord(Object.fromEntries(error.fields.map((field) => [field, ["has already been taken"]])));
  });
}
