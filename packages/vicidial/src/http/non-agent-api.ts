import { type Batch, type Host, isFinished, isUnavailable, toMessage } from "@reinstate/batch-core";
import { cutText, readBody, resemblesSafetyFlag } from "@reinstate/batch-core/http";
import { toActor } from "../leads/actor.ts";
import { highestLeadId } from "../leads/rules.ts";
import type { OfficeClock } from "../office-hours/office-clock.ts";
import { operationName } from "../operations/operations.ts";
import type { LoginRefusal, VicidialDatabase, VicidialUser } from "../store/vicidial-database.ts";
import { answerError, toApiError, toErrorDetails } from "./replies.ts";

/** One call, its values cleaned as VICIdial cleans them. */
interface Call {
  function: string;
  source: string;
  user: string;
  pass: string;
  agentUser: string;
  leadId: string;
  stage: string;
  searchLocation: string;
  /** A parameter or header that resembles a safety flag: this API has none. */
  safetyFlag: string | undefined;
  /** What was asked, whole, without a password. */
  url: string;
}

interface Answer {
  text: string;
  batch?: number;
  /** The same call can succeed in a moment. */
  unavailable?: boolean;
  /** What VICIdial's log gets; nothing of those who were not let in, who could fill it. */
  logged?: { result: string; reason: string; data: string };
}

const bodyLimit = 64 * 1024;

/** Bytes of an answer at most. */
const answerBytes = 8000;

/** Where a call comes from. `env`: what the server hands over beside the request. */
interface Caller {
  env?: unknown;
  address?: string | undefined;
}

/**
 * `GET|POST /vicidial/non_agent_api.php?function=lead_dearchive&…`: VICIdial's own way to bring one lead back, with its
 * answers and its checks against the users, user groups and lists of addresses of the real database, but moved as every other
 * lead. Without a VICIdial database nobody can log in. `address` is where the call comes from, where that is known.
 */
export function createNonAgentApi(host: Host, site: VicidialDatabase | undefined, office: OfficeClock) {
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
    // A server that listens on IPv6 names the callers of IPv4 so.
    const from = address?.replace(/^::ffff:(?=\d+\.)/i, "");
    const values = await readValues(request);
    const { call, answer } = await serve(request, values, from);
    const { text, batch, logged, unavailable } = answer;
    if (logged) {
      const { user, agentUser, source, url } = call;
      const seconds = (host.clock.now() - started) / 1000;
      await site
        ?.logApiCall({ user, agentUser, source, url, function: call.function, ...logged, seconds, address: from })
        .catch((error: unknown) =>
          host.log.warn({ error: toMessage(error) }, "VICIdial's API log could not be written"),
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
      call = cleanCall(values, (await site?.usesNonLatin()) ?? false);
      return { call, answer: await answerCall(request, call, address) };
    } catch (error) {
      if (["overloaded", "too_many_requests"].includes(toApiError(error).kind)) throw error;
      const { logged: _, ...answer } = broken(call, error);
      return { call, answer };
    }
  }

  async function answerCall(request: Request, call: Call, address: string | undefined): Promise<Answer> {
    const { user, pass, source } = call;
    const login = (await site?.login({ user, pass, address })) ?? "BAD";
    if (typeof login === "string") {
      host.admission.countWrongKey(request, "vicidial");
      return { text: describeRefusal(login, call, address) };
    }
    host.admission.identify(request, `vicidial user ${user}`);
    if (call.safetyFlag !== undefined) return error("PARAMETER NOT SUPPORTED", `${user}|${call.safetyFlag}`);
    if (call.function !== "lead_dearchive") return said("ERROR", "NO FUNCTION SPECIFIED", "", "");
    // VICIdial counts bytes.
    if (Buffer.byteLength(source) < 2) {
      return said("ERROR", "Invalid Source", "", ` - ${source}\nERROR: Invalid Source: |${source}|`);
    }
    if (!/ lead_dearchive |ALL_FUNCTIONS/.test(` ${login.api_allowed_functions} `)) {
      const reason = "auth USER DOES NOT HAVE PERMISSION TO USE THIS FUNCTION";
      return said("ERROR", reason, "", `: |${user}|lead_dearchive|`);
    }
    const { active, user_level, modify_leads, vdc_agent_api_access } = login;
    if (active !== "Y" || user_level <= 7 || modify_leads !== "1" || vdc_agent_api_access !== "1") {
      const reason = "lead_dearchive USER DOES NOT HAVE PERMISSION TO MODIFY LEAD INFO";
      return said("ERROR", reason, "0", `: |${user}|0|`);
    }
    return dearchive(site as VicidialDatabase, login, call).catch((error: unknown) => broken(call, error));
  }

  async function dearchive(around: VicidialDatabase, login: VicidialUser, call: Call): Promise<Answer> {
    const { user, leadId, stage, searchLocation } = call;
    if (leadId.length < 1 || leadId.length > 11) return error("INVALID SEARCH PARAMETERS", `${user}|${leadId}`);
    const id = Number(leadId);
    const listId = id <= highestLeadId ? await around.findListId("vicidial_list_archive", id) : undefined;
    const lists = await around.allowedLists(login.user_group);
    if (listId === undefined || (lists !== "all" && !lists.has(listId))) {
      return error("ARCHIVED LEAD NOT FOUND", `${user}|${leadId}|${stage}|${searchLocation}`);
    }
    const place = `${user}|${leadId}|${listId}`;
    if ((await around.findListId("vicidial_list", id)) !== undefined) return error("NON-ARCHIVED LEAD FOUND", place);
    if (!(await office.isAllowed("dearchive"))) return error("LEAD INSERT FAILED", place);
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
      return { ...error("LEAD INSERT FAILED", place), batch: batch.id, unavailable };
    }
    const counts = `${user}|${leadId}|${inserted}|${deleted}`;
    return { ...said("SUCCESS", "lead_dearchive LEAD DE-ARCHIVED", counts), batch: batch.id };
  }

  function broken({ user, leadId }: Call, cause: unknown): Answer {
    host.log.error({ error: toMessage(cause) }, "a call to VICIdial's own API failed");
    return { ...error("LEAD INSERT FAILED", `${user}|${leadId}|`), unavailable: isUnavailable(cause) };
  }

  async function wasUnavailable({ id, counts }: Batch): Promise<boolean> {
    if (counts.failed === 0) return false;
    const { items } = await host.batches.items(id, { outcome: "failed" });
    return items.some(({ code }) => code === "unavailable");
  }
}

/** `data` goes to the log, and is shown where nothing else is. */
const said = (result: "SUCCESS" | "ERROR", reason: string, data: string, shown = `: ${data}`): Answer => ({
  text: `${result}: ${reason}${shown}`,
  logged: { result, reason, data },
});

const error = (what: string, data: string): Answer => said("ERROR", `lead_dearchive ${what}`, data);

function describeRefusal(refusal: LoginRefusal, { user, pass }: Call, address = ""): string {
  if (refusal === "LOCK") return `ERROR: Too many login attempts, try again in 15 minutes: |${user}|LOCK|`;
  // Between the bars VICIdial shows a user of HTTP's own login, which this call does not have.
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
  const asked = [...searchParams];
  const { posted, files } = request.method === "POST" ? await postedIn(request) : { posted: [], files: [] };
  const names = [...request.headers.keys(), ...[...asked, ...posted].map(([name]) => name), ...files];
  // As PHP reads them: the last of a name counts; as VICIdial does: the query goes before the body.
  const values = new Map([...posted, ...asked]);
  const between: [string, string][] = asked.length > 0 && posted.length > 0 ? [["GET-AND-POST", "Y"]] : [];
  const whole = new URLSearchParams();
  for (const [name, value] of [...asked, ...between, ...posted]) {
    whole.append(name, /pass/i.test(name) ? "XXXX" : value);
  }
  return {
    get: (name) => values.get(name),
    safetyFlag: names
      .find(resemblesSafetyFlag)
      ?.replace(/[^\w-]/g, "")
      .slice(0, 50),
    url: `${origin}${pathname}?${whole}`,
  };
}

/** Cleans the values as VICIdial does; with `use_non_latin` names keep the letters of every script. */
function cleanCall({ get, safetyFlag, url }: Values, nonLatin: boolean): Call {
  const cleaned = (name: string, unwanted: RegExp) => (get(name) ?? "").replace(unwanted, "");
  const name = nonLatin ? /[^-_0-9\p{L}]/gu : /[^-_0-9a-zA-Z]/g;
  return {
    function: cleaned("function", /[^-_0-9a-zA-Z]/g),
    source: cleaned("source", nonLatin ? /[^0-9\p{L}]/gu : /[^0-9a-zA-Z]/g),
    user: cleaned("user", name),
    pass: cleaned("pass", name),
    agentUser: cleaned("agent_user", name),
    leadId: cleaned("lead_id", /[^0-9]/g),
    stage: cleaned("stage", /[^-_0-9a-zA-Z]/g),
    searchLocation: cleaned("search_location", /[^A-Z]/g),
    safetyFlag,
    url,
  };
}

/** The values of a form in either of its two encodings, and the names of its files. */
async function postedIn(request: Request): Promise<{ posted: [string, string][]; files: string[] }> {
  const body = await readBody(request, bodyLimit);
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
