import { type AnyOperation, type Host, isFinished, ReinstateError, toMessage } from "@reinstate/batch-core";
import { batchBody } from "../http/batch-body.ts";
import type { Fetch, Options } from "../options.ts";
import type { OutboxEntry, WebhookOutbox } from "./outbox.ts";
import { parseSecret, signedHeaders } from "./signature.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** The pauses between attempts. After the last one the delivery fails permanently. */
export const retryScheduleMs = [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 10 * hour];

/** The interval at which due entries are read. */
const pollIntervalMs = second;
/** An unfinished batch is read again after this fraction of its age, because a delay matters less for a long batch. */
const ageFraction = 1 / 8;
const timeoutMs = 15 * second;
/** The lease of an entry. After it another process takes over. */
const leaseMs = minute;
/** Entries per read of the outbox. */
const leaseLimit = 20;
/** The retention of delivered and failed entries. */
const retentionMs = 7 * day;

/** Reports the end of every batch to one URL, signed as Standard Webhooks. Entries wait in a transactional outbox. */
export interface Webhook {
  /** Wraps an operation, so that accepting a batch adds an entry in the same transaction. */
  withWebhook(operation: AnyOperation): AnyOperation;
  /** Delivers the due entries once. Returns whether more may be due. */
  deliverDue(): Promise<boolean>;
  /** Starts to poll the outbox. */
  start(): void;
  /** Stops polling, and aborts an attempt in progress. */
  stop(): Promise<void>;
}

/** Returns when a leased entry is due again: at the end of its lease, or sooner if its batch is unfinished. */
export function nextPollAt({ body, announcedAt }: Pick<OutboxEntry, "body" | "announcedAt">, now: number): number {
  if (body !== null) return now + leaseMs;
  return now + Math.min(leaseMs, Math.max(pollIntervalMs, Math.round((now - announcedAt) * ageFraction)));
}

/** Creates the webhook. Returns undefined if none is configured. */
export function createWebhook(
  host: Host,
  outbox: WebhookOutbox,
  options: Options,
  send: Fetch = (input, init) => fetch(input, init),
): Webhook | undefined {
  const { webhookUrl, webhookSecret } = options;
  const key = webhookSecret === undefined ? undefined : parseSecret(webhookSecret);
  if (webhookUrl === undefined || key === undefined) return undefined;
  const { clock, log, batches } = host;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let purgedAt = Number.NEGATIVE_INFINITY;

  /** Returns the body for a finished batch, undefined for an unfinished one, and null if the batch does not exist. */
  async function makeBody({ batchId }: OutboxEntry): Promise<string | null | undefined> {
    const batch = await batches.get(batchId).catch((error: unknown) => {
      if (ReinstateError.is(error, "unknown_batch")) return undefined;
      throw error;
    });
    if (!batch) return null;
    // A stopped batch can be resumed.
    if (!isFinished(batch.status) || batch.status === "stopped") return undefined;
    return JSON.stringify({
      type: `batch_process.${batch.status}`,
      timestamp: new Date(batch.finishedAt ?? batch.updatedAt).toISOString(),
      data: { account_id: batch.account, batch_process: await batchBody(host, batch) },
    });
  }

  /** Posts a message. Returns undefined on success, otherwise the fault, and `gone` if no retry may follow. */
  async function postWebhook(
    { batchId, generation }: OutboxEntry,
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
      return { fault: `status ${response.status}`, ...(response.status === 410 && { gone: true }) };
    } catch (error) {
      return { fault: toMessage(error) };
    }
  }

  async function handle(entry: OutboxEntry): Promise<void> {
    const body = entry.body ?? (await makeBody(entry));
    if (body === undefined) return;
    if (body === null) return outbox.remove(entry);
    // Stored first, so that every attempt sends the same body.
    if (entry.body === null) await outbox.update({ ...entry, body }, clock.now() + leaseMs);
    const failure = await postWebhook(entry, body);
    // The entry is due again when its lease ends, after the next start.
    if (failure && stopping.signal.aborted) return;
    if (!failure) return outbox.update({ ...entry, body }, null);
    const pause = failure.gone ? undefined : retryScheduleMs[entry.attempts];
    const fields = { batch: entry.batchId, attempt: entry.attempts + 1, fault: failure.fault };
    if (pause === undefined) log.error(fields, "webhook delivery failed permanently");
    else log.warn(fields, "webhook delivery failed, will retry");
    await outbox.update(
      { ...entry, body, attempts: entry.attempts + 1 },
      pause === undefined ? null : clock.now() + pause,
    );
  }

  /** Purges old entries once an hour. */
  async function purge(now: number): Promise<void> {
    if (now - purgedAt < hour) return;
    purgedAt = now;
    await outbox.purge(now - retentionMs);
  }

  const webhook: Webhook = {
    withWebhook: (operation) => ({
      ...operation,
      async accepted(begun, transaction) {
        await operation.accepted?.(begun, transaction);
        await outbox.enqueue(begun.batchId, begun.generation, clock.now(), transaction);
      },
    }),

    async deliverDue() {
      const now = clock.now();
      await purge(now);
      const due = await outbox.leaseDue(now, leaseLimit, (entry) => nextPollAt(entry, now));
      await Promise.all(
        due.map((entry) =>
          handle(entry).catch((error: unknown) => {
            log.error({ batch: entry.batchId, error: toMessage(error) }, "failed to process a webhook outbox entry");
          }),
        ),
      );
      return due.length === leaseLimit;
    },

    start() {
      running ??= (async () => {
        while (!stopping.signal.aborted) {
          const more = await webhook.deliverDue().catch((error: unknown) => {
            log.error({ error: toMessage(error) }, "failed to read the webhook outbox");
            return false;
          });
          await clock.sleep(more ? 0 : pollIntervalMs, stopping.signal);
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
