import {
  type CallerOptions,
  createCaller,
  type ReadReply,
  toErrorKind,
  type VendorRefusal,
} from "@reinstate/batch-core/client";
import * as z from "zod";
import {
  type ChangeReply,
  changeReply,
  type WidgetId,
  type WidgetPage,
  type WidgetReply,
  widgetPage,
  widgetReply,
} from "./schemas.ts";

export { VendorError } from "@reinstate/batch-core/client";

/** Options of the client. */
export interface AcmeClientOptions
  extends Pick<CallerOptions, "baseUrl" | "fetch" | "timeoutMs" | "retry" | "breaker"> {
  apiKey: string;
}

/** The client of Acme's API. */
export interface AcmeClient {
  widgets: {
    get(id: WidgetId): Promise<WidgetReply>;
    list(query?: { deleted?: boolean; after?: WidgetId; limit?: number }): Promise<WidgetPage>;
    /** Restores deleted widgets. Ids that are not there are in `not_found`. */
    restore(ids: readonly WidgetId[]): Promise<ChangeReply>;
    delete(ids: readonly WidgetId[]): Promise<ChangeReply>;
  };
}

/**
 * A client of Acme's API, or of a gateway that serves it. Each call returns the vendor's own reply, or throws a `VendorError`.
 *
 * @example
 * const client = createAcmeClient({ baseUrl: "https://api.acme.example", apiKey });
 * await client.widgets.restore(ids);
 */
export function createAcmeClient({ apiKey, ...options }: AcmeClientOptions): AcmeClient {
  const call = createCaller({
    ...options,
    vendor: "Acme",
    headers: { authorization: `Bearer ${apiKey}` },
    readRefusal,
  });
  // A second call of either ends in the same state.
  const change = (verb: string, ids: readonly WidgetId[]) =>
    call({ method: "POST", path: `/acme/widgets/${verb}`, body: { ids }, answer: changeReply, repeatable: true });
  // FILL: one method for each call of the vendor's documents.
  return {
    widgets: {
      get: (id) => call({ method: "GET", path: `/acme/widgets/${id}`, answer: widgetReply }),
      list: (query = {}) => call({ method: "GET", path: "/acme/widgets", query: toQuery(query), answer: widgetPage }),
      restore: (ids) => change("restore", ids),
      delete: (ids) => change("delete", ids),
    },
  };
}

const toQuery = (query: object) =>
  new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]));

// FILL: the names of message and code in the vendor's errors.
const refusalBody = z.object({ error: z.string(), message: z.string(), detail: z.string() }).partial().catch({});

function readRefusal(reply: ReadReply): VendorRefusal | undefined {
  if (reply.status < 300) return undefined;
  const { error, message = `HTTP ${reply.status}`, detail } = refusalBody.parse(reply.body);
  return { kind: toErrorKind(reply), message: detail === undefined ? message : `${message}: ${detail}`, code: error };
}
