import { type AnyOperation, type Host, isFinished, ReinstateError, toMessage } from "@reinstate/batch-core";
import { batchBody } from "../http/batch-body.ts";
import type { Fetch, Options } from "../options.ts";
import type { Notice, NoticeStore } from "./outbox.ts";
import { keyOfSecret, signedHeaders } from "./signature.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** How long after a failed attempt the next one comes; after the last of them the notice is given up. */
export const retryScheduleMs = [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 10 * hour];

/** How often there is a look for what is due. */
const watchMs = second;
/** A batch that is not finished is looked at again after this part of its age: the longer it takes, the less a moment matters. */
const partOfAge = 1 / 8;
const timeoutMs = 15 * second;
/** A notice whose process died is taken up by another after this. */
const leaseMs = minute;
const noticesAtOnce = 20;
/** So long what was told, or given up, is kept. */
const keptMs = 7 * day;

/** Tells the end of every batch to one URL, signed as Standard Webhooks. What is to be told stands in the database. */
export interface Webhook {
  /** The operation, whose batches from now on are to be told of from the transaction on in which they are accepted. */
  announcing(operation: AnyOperation): AnyOperation;
  /** One look at what is due; answers whether there may be more. */
  deliver(): Promise<boolean>;
  /** Begins to look again and again. */
  start(): void;
  stop(): Promise<void>;
}

/** When a notice is looked at again that is in somebody's hands, or whose batch is not finished. */
export function nextLookAt({ body, announcedAt }: Pick<Notice, "body" | "announcedAt">, now: number): number {
  if (body !== null) return now + leaseMs;
  return now + Math.min(leaseMs, Math.max(watchMs, Math.round((now - announcedAt) * partOfAge)));
}

/** Undefined where no webhook is set. */
export function createWebhook(
  host: Host,
  notices: NoticeStore,
  options: Options,
  send: Fetch = (input, init) => fetch(input, init),
): Webhook | undefined {
  const { webhookUrl, webhookSecret } = options;
  const key = webhookSecret === undefined ? undefined : keyOfSecret(webhookSecret);
  if (webhookUrl === undefined || key === undefined) return undefined;
  const { clock, log, batches } = host;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let forgotten = Number.NEGATIVE_INFINITY;

  /** The message of a finished batch; undefined while it is not, null where there is no such batch. */
  async function makeBody({ batchId }: Notice): Promise<string | null | undefined> {
    const batch = await batches.get(batchId).catch((error: unknown) => {
      if (ReinstateError.is(error, "unknown_batch")) return undefined;
      throw error;
    });
    if (!batch) return null;
    // A stopped batch can go on.
    if (!isFinished(batch.status) || batch.status === "stopped") return undefined;
    return JSON.stringify({
      type: `batch_process.${batch.status}`,
      timestamp: new Date(batch.finishedAt ?? batch.updatedAt).toISOString(),
      data: { account_id: batch.account, batch_process: await batchBody(host, batch) },
    });
  }

  /** Undefined where it was taken; otherwise what went wrong, and whether it may be tried again. */
  async function tell(
    { batchId, generation }: Notice,
    body: string,
  ): Promise<{ fault: string; gone?: true } | undefined> {
    try {
      const seconds = Math.floor(clock.now() / 1000);
      const response = await send(webhookUrl as string, {
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
      return { fault: toMessage(error) };
    }
  }

  async function handle(notice: Notice): Promise<void> {
    const body = notice.body ?? (await makeBody(notice));
    if (body === undefined) return;
    if (body === null) return notices.withdraw(notice);
    // Written down first, so that every attempt says the same.
    if (notice.body === null) await notices.update({ ...notice, body }, clock.now() + leaseMs);
    const failure = await tell(notice, body);
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

  /** Old notices are forgotten once an hour. */
  async function forget(now: number): Promise<void> {
    if (now - forgotten < hour) return;
    forgotten = now;
    await notices.forget(now - keptMs);
  }

  const webhook: Webhook = {
    announcing: (operation) => ({
      ...operation,
      async accepted(begun, transaction) {
        await operation.accepted?.(begun, transaction);
        await notices.announce(begun.batchId, begun.generation, clock.now(), transaction);
      },
    }),

    async deliver() {
      const now = clock.now();
      await forget(now);
      const due = await notices.take(now, noticesAtOnce, (notice) => nextLookAt(notice, now));
      await Promise.all(
        due.map((notice) =>
          handle(notice).catch((error: unknown) => {
            log.error({ batch: notice.batchId, error: toMessage(error) }, "a notice of a batch could not be handled");
          }),
        ),
      );
      return due.length === noticesAtOnce;
    },

    start() {
      running ??= (async () => {
        while (!stopping.signal.aborted) {
          const more = await webhook.deliver().catch((error: unknown) => {
            log.error({ error: toMessage(error) }, "the notices of batches could not be read");
            return false;
          });
          await clock.sleep(more ? 0 : watchMs, stopping.signal);
        }
      })();
    },

    async stop() {
      stopping.abort();
      await running;
    },
  };
  return webhook;
}
