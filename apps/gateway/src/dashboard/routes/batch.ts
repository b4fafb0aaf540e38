import { type Batch, countFinished, type OutcomeWord, outcomeWords, ownText } from "@reinstate/batch-core";
import { manifestResponse, parseBatchId, parseInput, reportResponse } from "@reinstate/batch-core/http";
import * as z from "zod";
import { createActorNames } from "../actor-names.ts";
import { emptyAsMissing } from "../empty-as-missing.ts";
import { checkTypedNumber, readForm, readFormKey } from "../form.ts";
import { newFormKey } from "../form-key.ts";
import { streamUpdates, watchForPage } from "../live.ts";
import { renderBatch } from "../pages/batch.ts";
import { renderItems } from "../pages/items.ts";
import {
  answer,
  listChoices,
  type PageContext,
  type Routes,
  readSession,
  redirect,
  type Site,
  toView,
} from "../site.ts";

const itemsQuery = z.object({
  outcome: emptyAsMissing(z.enum(outcomeWords)),
  code: emptyAsMissing(ownText()),
  cursor: z.string().optional(),
});

const itemsPerPage = 100;

const readId = (c: PageContext): number => parseBatchId(c.req.param("id") ?? "");

/** Adds the page of one batch, its items, and what can be done with it. */
export function addBatch(site: Site, routes: Routes): void {
  const { host } = site;
  const { batches } = host;
  const path = "/batches/:id";
  const names = createActorNames(host.keys);

  routes.get(path, async (c) => {
    const batch = await batches.get(readId(c));
    const [history, failures] = await Promise.all([batches.history(batch.id), batches.failures(batch.id)]);
    const actors = await names.find([batch.actor, ...history.map(({ actor }) => actor)]);
    const operation = listChoices(site).find(({ name, target }) => name === batch.operation && target === batch.target);
    return answer(
      c,
      renderBatch(toView(site, c), {
        batch,
        failures,
        history: history.map((event) => ({ ...event, actor: event.actor === null ? undefined : actors(event.actor) })),
        actor: batch.actor === null ? undefined : actors(batch.actor),
        vendor: operation?.vendor ?? batch.operation.split(".", 1)[0] ?? "",
        estimate: await estimate(batch),
        can: {
          undo: operation?.operation.opposite !== undefined,
          reexamine:
            operation !== undefined && (operation.operation.repeatable || operation.operation.reconcile !== undefined),
        },
        newKey: newFormKey,
      }),
    );
  });

  /** Estimates the run that the page offers: that of a dry run or of a prepared batch. */
  async function estimate(batch: Batch) {
    const { operation, target, account, status, dryRun, counts, total } = batch;
    const items =
      dryRun && status === "completed" ? counts.done : status === "stopped" ? total - countFinished(counts) : 0;
    return items > 0 ? batches.estimate({ operation, target, account, items }) : undefined;
  }

  routes.get(`${path}/items`, async (c) => {
    const batch = await batches.get(readId(c));
    const { cursor, ...filter } = parseInput(itemsQuery, c.req.query());
    const { items, next } = await batches.items(batch.id, {
      ...filter,
      limit: itemsPerPage,
      ...(cursor && { cursor }),
    });
    return answer(
      c,
      renderItems(toView(site, c), { batch, items, filter, next, count: await countItems(batch, filter) }),
    );
  });

  /** The number of items with an outcome and a code, from the stored sums. */
  async function countItems(
    batch: Batch,
    { outcome, code }: { outcome?: OutcomeWord | undefined; code?: string | undefined },
  ) {
    if (code === undefined) return outcome && batch.counts[outcome];
    const found = (await batches.failures(batch.id)).filter(
      (failure) => failure.code === code && (outcome === undefined || failure.outcome === outcome),
    );
    return found.reduce((sum, { count }) => sum + count, 0);
  }

  routes.get(`${path}/events`, (c) =>
    streamUpdates(site, c, (signal) => watchForPage(host, site.readLive, readId(c), signal)),
  );
  routes.get(`${path}/report.csv`, (c) => reportResponse(host, readId(c), "csv"));
  routes.get(`${path}/report.ndjson`, (c) => reportResponse(host, readId(c), "ndjson"));
  routes.get(`${path}/manifest.json`, (c) => manifestResponse(host, readId(c), c.req.raw.signal));

  /** Adds an action on a batch. It answers with the page of the batch that it returns. */
  function act(verb: string, run: (call: Call) => Promise<Batch>): void {
    routes.post(`${path}/${verb}`, async (c) => {
      const form = await readForm(c.req.raw);
      const actor = readSession(c).key.id;
      const key = readFormKey(form);
      const id = readId(c);
      const { id: opened } = await run({
        id,
        form,
        act: { actor, ...(form.note?.trim() && { note: form.note.trim() }) },
        idempotency: {
          scope: `dashboard ${actor} ${verb} ${id}`,
          key,
          digest: JSON.stringify([form.code ?? null, form.as ?? null]),
        },
      });
      return redirect(site, c, `/batches/${opened}`);
    });
  }

  act("stop", ({ id, act }) => batches.stop(id, act));

  act("resume", async ({ id, act, form }) => {
    const { total, counts } = await batches.get(id);
    checkTypedNumber(form, total - countFinished(counts));
    return batches.resume(id, act);
  });

  act("retry", async ({ id, act, form, idempotency }) => {
    const code = form.code || undefined;
    const count = await countItems(await batches.get(id), { outcome: "failed", code });
    checkTypedNumber(form, count ?? 0);
    return batches.retry(id, { code, ...act, idempotency });
  });

  act("run", async ({ id, act, form, idempotency }) => {
    const { counts } = await batches.get(id);
    checkTypedNumber(form, counts.done);
    return batches.submitFromBatch(id, { dryRun: false, ...act, idempotency });
  });

  act("undo", ({ id, act, idempotency }) => batches.undo(id, { ...act, idempotency }));
  act("reexamine", ({ id, act }) => batches.reexamine(id, act));
  act("mark", ({ id, act, form }) =>
    batches.mark(id, { ...act, note: act.note ?? "", as: parseInput(markForm, form).as }),
  );
}

const markForm = z.object({ as: z.enum(["done", "failed"], "must be done or failed") });

interface Call {
  id: number;
  form: Readonly<Record<string, string>>;
  act: { actor: string; note?: string };
  idempotency: { scope: string; key: string; digest: string };
}
