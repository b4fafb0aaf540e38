import { type Batch, type Host, isFinished, isUnavailable, toMessage } from "@reinstate/batch-core";
import { cutText, readBody, readRequestId, resemblesSafetyFlag } from "@reinstate/batch-core/http";
import { toActor } from "../leads/actor.ts";
import { highestLeadId } from "../leads/rules.ts";
import type { OfficeClock } from "../office-hours/office-clock.ts";
import { operationName } from "../operations/verbs.ts";
import type { DialerTables, LoginRefusal, VicidialUser } from "../store/dialer-tables.ts";
import { answerError, toApiError, toErrorDetails } from "./replies.ts";

/** One call. Its values are cleaned as VICIdial cleans them. */
interface Call {
  function: string;
  source: string;
  user: string;
  pass: string;
  agentUser: string;
  leadId: string;
  stage: string;
  searchLocation: string;
  /** A parameter or header that resembles a safety flag, which this API does not support. */
  safetyFlag: string | undefined;
  /** The full URL, with passwords masked. */
  url: string;
}

interface Answer {
  text: string;
  batch?: number;
  /** True if the same call can succeed in a moment. */
  unavailable?: boolean;
  /** The entry in VICIdial's log. Absent for unauthenticated callers, so that they cannot fill the log. */
  logged?: { result: string; reason: string; data: string };
}

/** The maximum body size in bytes. */
export const nonAgentBodyLimit = 64 * 1024;

/** The maximum size of an answer in bytes. */
const answerBytes = 8000;

/** The origin of a call. `env` is what the server passes with the request. */
interface Caller {
  env?: unknown;
  address?: string | undefined;
}

/**
 * Creates the handler of `GET|POST /vicidial/non_agent_api.php?function=lead_dearchive&…`, VICIdial's own function that brings one
 * lead back. It runs VICIdial's checks against the users, user groups and address lists of the database, returns VICIdial's
 * answers, and moves the lead as a batch. Without a VICIdial database every login fails.
 */
export function createNonAgentApi(host: Host, database: DialerTables | undefined, office: OfficeClock) {
  return async (request: Request, { env, address }: Caller = {}): Promise<Response> => {
    let leave = () => {};
    try {
      leave = host.admission.enter(request, env);
      return await respond(request, address);
    } catch (error) {
      return answerError(error, { request, log: host.log }, (known) => {
        const { message, status = 500, headers } = toErrorDetails(known);
        return new Response(`ERROR: ${message}\n`, {
          status,
          headers: { ...headers, "content-type": "text/html; charset=utf-8" },
        });
      });
    } finally {
      leave();
    }
  };

  async function respond(request: Request, address: string | undefined): Promise<Response> {
    const started = host.clock.now();
    // A server that listens on IPv6 writes IPv4 addresses with this prefix.
    const from = address?.replace(/^::ffff:(?=\d+\.)/i, "");
    const values = await readValues(request);
    const { call, answer } = await serve(request, values, from);
    const { text, batch, logged, unavailable } = answer;
    if (logged) {
      const { user, agentUser, source, url } = call;
      const seconds = (host.clock.now() - started) / 1000;
      await database
        ?.logApiCall({ user, agentUser, source, url, function: call.function, ...logged, seconds, address: from })
        .catch((error: unknown) =>
          host.log.warn(
            { request_id: readRequestId(request), error: toMessage(error) },
            "failed to write VICIdial's API log",
          ),
        );
    }
    return new Response(`${cutText(text, answerBytes)}\n`, {
      status: unavailable ? 503 : 200,
      headers: {
        ...(unavailable && { "retry-after": "5" }),
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache, must-revalidate",
        pragma: "no-cache",
        ...(batch !== undefined && { "x-reinstate-batch": String(batch) }),
      },
    });
  }

  /** Cleans and answers a call. An error before the login leaves no row in VICIdial's log. */
  async function serve(
    request: Request,
    values: Values,
    address: string | undefined,
  ): Promise<{ call: Call; answer: Answer }> {
    let call = cleanCall(values, false);
    try {
      call = cleanCall(values, (await database?.usesNonLatin()) ?? false);
      return { call, answer: await answerCall(request, call, address) };
    } catch (error) {
      if (["overloaded", "too_many_requests"].includes(toApiError(error).kind)) throw error;
      const { logged: _, ...answer } = toInternalError(request, call, error);
      return { call, answer };
    }
  }

  async function answerCall(request: Request, call: Call, address: string | undefined): Promise<Answer> {
    const { user, pass, source } = call;
    const login = (await database?.login({ user, pass, address })) ?? "BAD";
    if (typeof login === "string") {
      host.admission.countWrongKey(request, "vicidial");
      return { text: describeRefusal(login, call, address) };
    }
    host.admission.identify(request, `vicidial user ${user}`);
    if (call.safetyFlag !== undefined) return toErrorAnswer("PARAMETER NOT SUPPORTED", `${user}|${call.safetyFlag}`);
    if (call.function !== "lead_dearchive") return toAnswer("ERROR", "NO FUNCTION SPECIFIED", "", "");
    // VICIdial counts bytes.
    if (Buffer.byteLength(source) < 2) {
      return toAnswer("ERROR", "Invalid Source", "", ` - ${source}\nERROR: Invalid Source: |${source}|`);
    }
    if (!/ lead_dearchive |ALL_FUNCTIONS/.test(` ${login.api_allowed_functions} `)) {
      const reason = "auth USER DOES NOT HAVE PERMISSION TO USE THIS FUNCTION";
      return toAnswer("ERROR", reason, "", `: |${user}|lead_dearchive|`);
    }
    const { active, user_level, modify_leads, vdc_agent_api_access } = login;
    if (active !== "Y" || user_level <= 7 || modify_leads !== "1" || vdc_agent_api_access !== "1") {
      const reason = "lead_dearchive USER DOES NOT HAVE PERMISSION TO MODIFY LEAD INFO";
      return toAnswer("ERROR", reason, "0", `: |${user}|0|`);
    }
    return dearchive(database as DialerTables, login, call).catch((error: unknown) =>
      toInternalError(request, call, error),
    );
  }

  async function dearchive(tables: DialerTables, login: VicidialUser, call: Call): Promise<Answer> {
    const { user, leadId, stage, searchLocation } = call;
    if (leadId.length < 1 || leadId.length > 11) return toErrorAnswer("INVALID SEARCH PARAMETERS", `${user}|${leadId}`);
    const id = Number(leadId);
    const listId = id <= highestLeadId ? await tables.findListId("vicidial_list_archive", id) : undefined;
    const lists = await tables.allowedLists(login.user_group);
    if (listId === undefined || (lists !== "all" && !lists.has(listId))) {
      return toErrorAnswer("ARCHIVED LEAD NOT FOUND", `${user}|${leadId}|${stage}|${searchLocation}`);
    }
    const place = `${user}|${leadId}|${listId}`;
    if ((await tables.findListId("vicidial_list", id)) !== undefined)
      return toErrorAnswer("NON-ARCHIVED LEAD FOUND", place);
    if (!(await office.isAllowed("dearchive"))) return toErrorAnswer("LEAD INSERT FAILED", place);
    const batch = await host.batches.submit({
      operation: operationName("dearchive"),
      params: { insert_leads: true, delete_leads: true },
      items: [id],
      actor: toActor(user),
      inline: true,
    });
    const { insert_count: inserted = 0, delete_count: deleted = 0 } = batch.tally;
    if (inserted === 0) {
      const unavailable = !isFinished(batch.status) || (await wasUnavailable(batch));
      return { ...toErrorAnswer("LEAD INSERT FAILED", place), batch: batch.id, unavailable };
    }
    const counts = `${user}|${leadId}|${inserted}|${deleted}`;
    return { ...toAnswer("SUCCESS", "lead_dearchive LEAD DE-ARCHIVED", counts), batch: batch.id };
  }

  function toInternalError(request: Request, { user, leadId }: Call, cause: unknown): Answer {
    host.log.error({ request_id: readRequestId(request), error: toMessage(cause) }, "non-agent API call failed");
    return { ...toErrorAnswer("LEAD INSERT FAILED", `${user}|${leadId}|`), unavailable: isUnavailable(cause) };
  }

  async function wasUnavailable({ id, counts }: Batch): Promise<boolean> {
    if (counts.failed === 0) return false;
    const { items } = await host.batches.items(id, { outcome: "failed" });
    return items.some(({ code }) => code === "unavailable");
  }
}

/** Returns an answer in VICIdial's form. `data` goes to the log, and is shown by default. */
const toAnswer = (result: "SUCCESS" | "ERROR", reason: string, data: string, shown = `: ${data}`): Answer => ({
  text: `${result}: ${reason}${shown}`,
  logged: { result, reason, data },
});

const toErrorAnswer = (what: string, data: string): Answer => toAnswer("ERROR", `lead_dearchive ${what}`, data);

function describeRefusal(refusal: LoginRefusal, { user, pass }: Call, address = ""): string {
  if (refusal === "LOCK") return `ERROR: Too many login attempts, try again in 15 minutes: |${user}|LOCK|`;
  // VICIdial shows the user of HTTP authentication between the bars; this call has none.
  if (refusal === "IPBLOCK") return `ERROR: Your IP Address is not allowed: ${address}: ||IPBLOCK|`;
  return `ERROR: Login incorrect, please try again: |${user}|${pass}|${refusal}|`;
}

/** The parameters of a call before they are cleaned. */
interface Values {
  get(name: string): string | undefined;
  safetyFlag: string | undefined;
  /** The address with the query and the form, without a password. */
  url: string;
}

async function readValues(request: Request): Promise<Values> {
  const { origin, pathname, searchParams } = new URL(request.url);
  const queried = [...searchParams];
  const { posted, files } = request.method === "POST" ? await readForm(request) : { posted: [], files: [] };
  const names = [...request.headers.keys(), ...[...queried, ...posted].map(([name]) => name), ...files];
  // The last value of a name counts, as in PHP. The query comes before the body, as in VICIdial.
  const values = new Map([...posted, ...queried]);
  const between: [string, string][] = queried.length > 0 && posted.length > 0 ? [["GET-AND-POST", "Y"]] : [];
  const logged = new URLSearchParams();
  for (const [name, value] of [...queried, ...between, ...posted]) {
    logged.append(name, /pass/i.test(name) ? "XXXX" : value);
  }
  return {
    get: (name) => values.get(name),
    safetyFlag: names
      .find(resemblesSafetyFlag)
      ?.replace(/[^\w-]/g, "")
      .slice(0, 50),
    url: `${origin}${pathname}?${logged}`,
  };
}

/** Cleans the values as VICIdial does. With `use_non_latin`, names keep the letters of every script. */
function cleanCall({ get, safetyFlag, url }: Values, nonLatin: boolean): Call {
  const cleaned = (name: string, unwanted: RegExp) => (get(name) ?? "").replace(unwanted, "");
  const name = nonLatin ? /[^-_0-9\p{L}]/gu : /[^-_0-9a-zA-Z]/g;
  return {
    function: cleaned("function", /[^-_0-9a-zA-Z]/g),
    source: cleaned("source", nonLatin ? /[^0-9\p{L}]/gu : /[^0-9a-zA-Z]/g),
    user: cleaned("user", name),
    pass: cleaned("pass", name),
    agentUser: cleaned("agent_user", name),
    leadId: readLeadId(get("lead_id")),
    stage: cleaned("stage", /[^-_0-9a-zA-Z]/g),
    searchLocation: cleaned("search_location", /[^A-Z]/g),
    safetyFlag,
    url,
  };
}

/** Reads the id of a lead. VICIdial removes all other characters, which makes another id of `1e2`, so such a text is no id here. */
function readLeadId(text = ""): string {
  const trimmed = text.trim();
  return /^\d*$/.test(trimmed) ? trimmed : "";
}

/** Returns the values of a form in either encoding, and the names of its files. */
async function readForm(request: Request): Promise<{ posted: [string, string][]; files: string[] }> {
  const body = await readBody(request, nonAgentBodyLimit);
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) {
    return { posted: [...new URLSearchParams(new TextDecoder().decode(body))], files: [] };
  }
  const form = await new Response(body, { headers: { "content-type": type } }).formData().catch(() => new FormData());
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string";
  return {
    posted: [...form].filter(isText),
    files: [...form].filter((entry) => !isText(entry)).map(([name]) => name),
  };
}
