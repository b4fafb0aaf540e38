import type { Host } from "@reinstate/batch-core";
import type { Options } from "../options.ts";
import { findBy as findByWord } from "../schemas.ts";
import { type LookUp, type PromoterRecord, type PromoterStore, UniqueViolation } from "../store/store.ts";
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

/** Creates the handlers that read and write promoters. */
export function createPromoterHandlers(
  host: Host,
  store: PromoterStore,
  options: Options,
): Record<PromoterOperationId, Handler> {
  /** Returns a promoter by id or by the value that `find_by` names. @throws `missingError` if no promoter has that value. */
  async function findPromoter(
    account: string,
    value: string,
    findBy: unknown,
    missingError: "not_found" | "cannot_find_by" = "cannot_find_by",
  ): Promise<PromoterRecord> {
    const by = readFindBy(findBy);
    if (by === "id" && !/^\d{1,15}$/.test(value)) throw apiError("not_found");
    // An unknown `find_by` must not fall back to the id. No record has the character zero, and PostgreSQL rejects it.
    const promoter = by === undefined || value.includes("\0") ? undefined : await store.find(account, by, value);
    if (!promoter) throw by === "id" ? apiError("not_found") : apiError(missingError, by ?? shorten(findBy));
    return promoter;
  }

  return {
    async getPromoters(c) {
      const params = readQuery(c.req.raw);
      const [promoters, pending] = await Promise.all([
        store.list(c.get("account"), parsePromoterQuery(params, options, host.clock.now())),
        store.countPending(c.get("account")),
      ]);
      const show = readVisibility(params);
      return c.json({
        data: promoters.map((promoter) => promoterBody(promoter, options, show)),
        meta: { pending_count: pending },
      });
    },

    async getPromoter(c) {
      const params = readQuery(c.req.raw);
      const promoter = await findPromoter(c.get("account"), c.req.param("id") ?? "", params.find_by);
      return c.json(promoterBody(promoter, options, readVisibility(params)));
    },

    async createPromoter(c) {
      const account = c.get("account");
      const {
        initial_campaign_id,
        always_approve = true,
        drip_emails: _,
        ...promoter
      } = readNewPromoter(await readParams(c.req.raw, options, { data: ["custom_fields"] }));
      const [campaign] =
        initial_campaign_id === undefined
          ? [await store.defaultCampaign(account)]
          : await store.campaigns(account, [initial_campaign_id]);
      if (!campaign) throw apiError("not_found");
      const campaigns = [
        { campaign_id: campaign.id, state: always_approve ? ("accepted" as const) : ("pending" as const) },
      ];
      const [id] = await orInvalid(store.create(account, [{ ...promoter, campaigns }], host.clock.now()));
      return c.json(promoterBody(await findPromoter(account, String(id), undefined), options), 201);
    },

    async updatePromoter(c) {
      const account = c.get("account");
      const params = await readParams(c.req.raw, options, { data: ["custom_fields"] });
      // The page of this call declares no 422.
      const { id } = await findPromoter(account, c.req.param("id") ?? "", params.find_by, "not_found");
      const { find_by: _, ...changes } = readPromoterChanges(params);
      const { custom_fields, ...others } = changes;
      const fields = keepsOtherFields(params) ? { custom_fields_changed: custom_fields } : { custom_fields };
      await orInvalid(store.update(account, id, { ...others, ...fields }, host.clock.now()));
      return c.json(promoterBody(await findPromoter(account, String(id), undefined), options));
    },
  };
}

/** Reads `find_by`. Returns `id` if it is absent or blank, and undefined for an unknown word. */
function readFindBy(param: unknown): LookUp | undefined {
  const { findBy = "id" } = withoutBlanks({ findBy: param });
  const word = readText(findBy)?.trim();
  return word === "id" ? word : findByWord.safeParse(word).data;
}

const shorten = (value: unknown) => (readText(value) ?? "a list").slice(0, 50);

function readVisibility(params: ParamMap): { parent: boolean; payoutMethod: boolean } {
  return {
    parent: parseBoolean(params.include_parent_promoter) ?? false,
    payoutMethod: !(parseBoolean(params.exclude_payout_method) ?? false),
  };
}

/** Turns a unique violation into the vendor's error. */
async function orInvalid<Result>(write: Promise<Result>): Promise<Result> {
  return write.catch((error: unknown) => {
    if (!UniqueViolation.is(error)) throw error;
    throw invalidRecord(Object.fromEntries(error.fields.map((field) => [field, ["has already been taken"]])));
  });
}
