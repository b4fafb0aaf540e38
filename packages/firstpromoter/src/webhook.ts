import { type Host, isFinished, messageOf, type Operation, ReinstateError } from "@reinstate/batch-core";
import { batchBody } from "./batch-body.ts";
import type { Options } from "./options.ts";
import { keyOfSecret, signedHeaders } from "./signature.ts";
import type { Notice, NoticeStore } from "./store.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** How long after a failed attempt the next one comes; after the last of them the notice is given up. */
export const retryScheduleMs = [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 10 * hour];

/** How often a batch that is not finished is looked at. */
const watchMs = second;
const timeoutMs = 15 * second;
/** A notice whose process died is taken up by another after this. */
const leaseMs = minute;
const noticesAtOnce = 20;

/** Tells the end of every batch to one URL, signed as Standard Webhooks. What is to be told stands in the database. */
export interface Webhook {
  /** The operation, which from now on announces its batches in the transaction of their effects. */
  announcing(operation: Operation<number, unknown>): Operation<number, unknown>;
  /** Announces a batch that was just accepted. */
  announce(batchId: number): Promise<void>;
  /** One look at everything that is due. */
  deliver(): Promise<void>;
  /** Begins to look again and again. */
  start(): void;
  stop(): Promise<void>;
}

/** Undefined where no webhook is set. */
export function createWebhook(host: Host, notices: NoticeStore, options: Options): Webhook | undefined {
  const { webhookUrl, webhookSecret } = options;
  const key = webhookSecret === undefined ? undefined : keyOfSecret(webhookSecret);
  if (webhookUrl === undefined || key === undefined) return undefined;
  const { clock, log, batches } = host;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  const announcements = new Set<Promise<void>>();

  /** The message of a finished batch; undefined while it is not, null where there is nothing to tell. */
  async function bodyOf({ batchId }: Notice): Promise<string | null | undefined> {
    const batch = await batches.get(batchId).catch((error: unknown) => {
      if (ReinstateError.is(error, "unknown_batch")) return undefined;
      throw error;
    });
    if (!batch || batch.dryRun) return null;
    // A stopped batch can go on.
    if (!isFinished(batch.status) || batch.status === "stopped") return undefined;
    return JSON.stringify({
      type: `batch_process.${batch.status}`,
      timestamp: new Date(batch.finishedAt ?? batch.updatedAt).toISOString(),
      data: { account_id: batch.account, batch_process: await batchBody(host, batch, options) },
    });
  }

  /** Undefined where it was taken; otherwise what went wrong, and whether it may be tried again. */
  async function send(
    { batchId, generation }: Notice,
    body: string,
  ): Promise<{ fault: string; gone?: true } | undefined> {
    try {
      const seconds = Math.floor(clock.now() / 1000);
      const response = await fetch(webhookUrl as string, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...signedHeaders(key as Buffer, `batch_${batchId}_${generation}`, seconds, body),
        },
        body,
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping.signal]),
      });
      await response.body?.cancel();
      if (response.ok) return undefined;
      return { fault: `it was answered ${response.status}`, ...(response.status === 410 && { gone: true }) };
    } catch (error) {
      return { fault: messageOf(error) };
    }
  }

  async function handle(notice: Notice): Promise<void> {
    const body = notice.body ?? (await bodyOf(notice));
    if (body === undefined) return notices.update(notice, clock.now() + watchMs);
    if (body === null) return notices.withdraw(notice);
    // Written down first, so that every attempt says the same.
    if (notice.body === null) await notices.update({ ...notice, body }, clock.now() + leaseMs);
    const failure = await send(notice, body);
    // The lease brings it back after the next start.
    if (failure && stopping.signal.aborted) return;
    if (!failure) return notices.update({ ...notice, body }, null);
    const pause = failure.gone ? undefined : retryScheduleMs[notice.attempts];
    const fields = { batch: notice.batchId, attempt: notice.attempts + 1, fault: failure.fault };
    if (pause === undefined) log.error(fields, "the webhook was not told of a batch and will not be");
    else log.warn(fields, "the webhook will be told of a batch later");
    await notices.update(
      { ...notice, body, attempts: notice.attempts + 1 },
      pause === undefined ? null : clock.now() + pause,
    );
  }

  /**
   * Announces a batch once more where its chunk could not be carried out: with the chunk's transaction its announcement is
   * undone, and perhaps no other chunk of the batch is carried out either. Not waited for, as that transaction is still open.
   */
  function announceAfter(batchId: number, generation: number): void {
    const announcing = notices
      .announce(batchId, generation, clock.now())
      .catch((error: unknown) => {
        log.error({ batch: batchId, error: messageOf(error) }, "a batch that failed could not be announced");
      })
      .finally(() => announcements.delete(announcing));
    announcements.add(announcing);
  }

  const webhook: Webhook = {
    announcing(operation) {
      const announced =
        (carryOut: typeof operation.apply): typeof operation.apply =>
        async (work) => {
          await notices.announce(work.batchId, work.generation, clock.now(), work.transaction);
          return carryOut(work).catch((error: unknown) => {
            if (operation.effects === "ledger") announceAfter(work.batchId, work.generation);
            throw error;
          });
        };
      const { apply, reconcile } = operation;
      return { ...operation, apply: announced(apply), ...(reconcile && { reconcile: announced(reconcile) }) };
    },

    announce: (batchId) => notices.announce(batchId, 0, clock.now()),

    async deliver() {
      const now = clock.now();
      const due = await notices.take(now, noticesAtOnce, now + leaseMs);
      await Promise.all(
        due.map((notice) =>
          handle(notice).catch((error: unknown) => {
            log.error({ batch: notice.batchId, error: messageOf(error) }, "a notice of a batch could not be handled");
          }),
        ),
      );
    },

    start() {
      running ??= (async () => {
        while (!stopping.signal.aborted) {
          await webhook.deliver().catch((error: unknown) => {
            log.error({ error: messageOf(error) }, "the notices of batches could not be read");
          });
          await clock.sleep(watchMs, stopping.signal);
        }
      })();
    },

    async stop() {
      stopping.abort();
      await running;
      await Promise.all(announcements);
    },
  };
  return webhook;
}
