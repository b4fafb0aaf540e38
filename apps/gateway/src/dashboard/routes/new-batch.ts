import {
  type Batch,
  type IdempotencyKey,
  parseParams,
  ReinstateError,
  readItems,
  tableColumns,
} from "@reinstate/batch-core";
import type { ItemStream } from "../../items/item-stream.ts";
import { readFormKey } from "../form.ts";
import { newFormKey } from "../form-key.ts";
import { invalidInput } from "../invalid-input.ts";
import { openItems, readPasted } from "../item-source.ts";
import { canDryRun, type OperationChoice } from "../operations.ts";
import { type NewBatchPage, renderChoice, renderNewBatch } from "../pages/new-batch.ts";
import { listParams, readParams } from "../params.ts";
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
import { readUpload, type Upload } from "../upload.ts";

/** How long a repeated form waits for the first one, in milliseconds, and how often it looks. */
const patienceMs = 30_000;
const lookMs = 200;

/** Pasted text that is shown again after a fault, in characters. */
const shownAgain = 100_000;

/** Adds the pages that create a batch. Nothing runs for real before its preview was seen. */
export function addNewBatch(site: Site, routes: Routes): void {
  const { host } = site;
  const { batches } = host;

  const findChoice = (value: string | undefined) => listChoices(site).find((choice) => choice.value === value);

  async function renderForm(
    c: PageContext,
    choice: OperationChoice,
    more: Pick<NewBatchPage, "fault" | "entered"> = {},
  ) {
    return renderNewBatch(toView(site, c), {
      choice,
      fields: listParams(choice.operation),
      accounts: choice.accounts ? await listAccounts(choice) : [],
      columns: tableColumns(choice.operation),
      key: newFormKey(),
      ...more,
    });
  }

  /** Returns the accounts that have keys. */
  async function listAccounts({ name }: OperationChoice): Promise<string[]> {
    const [vendor] = name.split(".");
    const keys = await host.keys.list();
    return [...new Set(keys.flatMap((key) => (key.vendor === vendor && key.account !== "" ? [key.account] : [])))];
  }

  routes.get(
    "/batches/new",
    async (c) => {
      const value = c.req.query("operation");
      if (value === undefined) return answer(c, renderChoice(toView(site, c), listChoices(site)));
      const choice = findChoice(value);
      if (!choice) throw invalidInput("operation", "is not known here; choose one of the list");
      return answer(c, await renderForm(c, choice));
    },
    { forWriters: true },
  );

  routes.post("/batches/new", async (c) => {
    const upload = await readUpload(c.req.raw);
    const choice = findChoice(upload.fields.operation);
    if (!choice) throw invalidInput("operation", "is not known here; choose one of the list");
    try {
      const batch = await create(choice, upload, readSession(c).key.id);
      return redirect(site, c, `/batches/${batch.id}`);
    } catch (error) {
      if (!ReinstateError.is(error, "invalid_request")) throw error;
      const { items = "", ...fields } = upload.fields;
      const entered = { ...fields, ...(items.length <= shownAgain && { items }) };
      const fault = { title: "The batch was not created", issues: error.issues };
      return c.html(await renderForm(c, choice, { fault, entered }), 422);
    }
  });

  async function create(choice: OperationChoice, upload: Upload, actor: string): Promise<Batch> {
    const { operation } = choice;
    const { fields } = upload;
    const key = readFormKey(fields);
    const request = {
      operation: operation.name,
      target: operation.target,
      ...(choice.accounts && { account: fields.account?.trim() ?? "" }),
      params: readParams(listParams(operation), fields),
      actor,
      ...(canDryRun(operation) ? { dryRun: true } : { prepared: true as const }),
    };
    // Checked before a long upload.
    parseParams(operation, request.params);
    await batches.checkAccount(request);
    const { format, source } = await chooseSource(upload);
    const intake = await readItems(operation, source, { format });
    try {
      const idempotency = { scope: `dashboard ${actor} new`, key, digest: upload.digest() };
      return await awaitFirst(idempotency, () => batches.submitIntake({ ...request, idempotency }, intake));
    } finally {
      intake.close();
    }
  }

  /** A second submit of the same form gets the batch of the first one, even if that is still being created. */
  async function awaitFirst(idempotency: IdempotencyKey, submit: () => Promise<Batch>): Promise<Batch> {
    const deadline = host.clock.now() + patienceMs;
    for (let isFirst = true; ; isFirst = false) {
      try {
        const batch = isFirst ? await submit() : await batches.recall(idempotency);
        if (batch) return batch;
      } catch (error) {
        if (!ReinstateError.is(error, "idempotency_running") || host.clock.now() > deadline) throw error;
      }
      await host.clock.sleep(lookMs);
    }
  }
}

function chooseSource({ fields, file }: Upload): Promise<ItemStream> {
  const pasted = fields.items ?? "";
  const hasPasted = pasted.trim() !== "";
  if (hasPasted && file) throw invalidInput("items", "are pasted and in a file; keep one of them");
  if (!hasPasted && !file) throw invalidInput("items", "are missing; paste ids or choose a file");
  return file ? openItems(file.parts, file.name) : openItems(readPasted(pasted));
}
