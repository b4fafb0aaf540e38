import { createHash, timingSafeEqual } from "node:crypto";
import { type Host, messageOf, ReinstateError } from "@reinstate/batch-core";
import { readBody } from "@reinstate/batch-core/http";
import type { OfficeClock } from "./office-clock.ts";
import { operationName } from "./operations.ts";
import { highestLeadId } from "./rules.ts";
import type { Site, SiteUser } from "./stores/mariadb-site.ts";

/** One call, its values cleaned as VICIdial cleans them. */
interface Call {
  function: string;
  source: string;
  user: string;
  pass: string;
  leadId: string;
}

interface Answer {
  lines: string[];
  batch?: number;
}

const bodyLimit = 64 * 1024;

/**
 * `GET|POST /vicidial/non_agent_api.php?function=lead_dearchive&…`: VICIdial's own way to bring one lead back, with its
 * answers and its checks against the users and user groups of the real database, but moved as every other lead. Without a
 * VICIdial database nobody can log in.
 */
export function createNativeApi(host: Host, site: Site | undefined, office: OfficeClock) {
  return async (request: Request): Promise<Response> => {
    const started = host.clock.now();
    let call: Call;
    try {
      call = await readCall(request);
    } catch (error) {
      if (!ReinstateError.is(error, "body_too_large")) throw error;
      return new Response(`ERROR: ${error.message}\n`, { status: 413, headers: { connection: "close" } });
    }
    const { lines, batch } = await answer(call).catch((error: unknown): Answer => {
      host.log.error({ error: messageOf(error) }, "a call to VICIdial's own API failed");
      return { lines: [`ERROR: lead_dearchive LEAD INSERT FAILED: ${call.user}|${call.leadId}|`] };
    });
    const line = lines.at(-1) ?? "";
    const [, result = "", reason = ""] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    // Neither the password nor a line that shows it belongs into a log.
    await site
      ?.noteApiCall({
        user: call.user,
        function: call.function,
        value: call.leadId,
        result,
        reason: reason.replace(/\|.*\|$/s, (values) => (reason.startsWith("Login") ? "" : values)),
        source: call.source,
        data: call.leadId,
        seconds: (host.clock.now() - started) / 1000,
        url: new URL(request.url).pathname,
      })
      .catch((error: unknown) => host.log.warn({ error: messageOf(error) }, "VICIdial's API log could not be written"));
    return new Response(lines.map((text) => `${text}\n`).join(""), {
      headers: {
        "content-type": "text/html; charset=utf-8",
        ...(batch !== undefined && { "x-reinstate-batch": String(batch) }),
      },
    });
  };

  async function answer(call: Call): Promise<Answer> {
    const { user, leadId, source } = call;
    if (call.function !== "lead_dearchive") return { lines: ["ERROR: NO FUNCTION SPECIFIED"] };
    const found = await login(call);
    if (typeof found === "string") return { lines: [found] };
    if (source.length < 2) {
      return { lines: [`ERROR: Invalid Source - ${source}`, `ERROR: Invalid Source: |${source}|`] };
    }
    if (!/ lead_dearchive |ALL_FUNCTIONS/.test(` ${found.api_allowed_functions} `)) {
      return { lines: [`ERROR: auth USER DOES NOT HAVE PERMISSION TO USE THIS FUNCTION: |${user}|lead_dearchive|`] };
    }
    const { active, user_level, modify_leads, vdc_agent_api_access } = found;
    if (active !== "Y" || user_level <= 7 || modify_leads !== "1" || vdc_agent_api_access !== "1") {
      return { lines: [`ERROR: lead_dearchive USER DOES NOT HAVE PERMISSION TO MODIFY LEAD INFO: |${user}|0|`] };
    }
    if (leadId.length < 1 || leadId.length > 11) return error("INVALID SEARCH PARAMETERS", `${user}|${leadId}`);
    return dearchive(found, call);
  }

  async function dearchive(found: SiteUser, { user, leadId }: Call): Promise<Answer> {
    const around = site as Site;
    const id = Number(leadId);
    const listId = id <= highestLeadId ? await around.listOf("vicidial_list_archive", id) : undefined;
    const lists = await around.allowedLists(found.user_group);
    if (listId === undefined || (lists !== "all" && !lists.has(listId))) {
      return error("ARCHIVED LEAD NOT FOUND", `${user}|${leadId}||`);
    }
    const liveList = await around.listOf("vicidial_list", id);
    if (liveList !== undefined) return error("NON-ARCHIVED LEAD FOUND", `${user}|${leadId}|${liveList}`);
    const failed = () => error("LEAD INSERT FAILED", `${user}|${leadId}|${listId}`);
    if (!(await office.isAllowed("dearchive"))) return failed();
    const batch = await host.batches.submit({
      operation: operationName("dearchive"),
      params: { insert_leads: true, delete_leads: true },
      items: [id],
      actor: `vicidial user ${user}`,
      inline: true,
    });
    const { insert_count: inserted = 0, delete_count: deleted = 0 } = batch.tally;
    if (inserted === 0) return { ...failed(), batch: batch.id };
    return {
      lines: [`SUCCESS: lead_dearchive LEAD DE-ARCHIVED: ${user}|${leadId}|${inserted}|${deleted}`],
      batch: batch.id,
    };
  }

  /** The user, or the line that refuses the login. */
  async function login({ user, pass }: Call): Promise<SiteUser | string> {
    const found = user === "" ? undefined : await site?.user(user);
    if (found?.locked) return `ERROR: Too many login attempts, try again in 15 minutes: |${user}|LOCK|`;
    const right = found !== undefined && found.active === "Y" && pass !== "" && equal(found.pass, pass);
    if (found) await site?.noteLogin(found.user, right);
    return right ? found : `ERROR: Login incorrect, please try again: |${user}|${pass}|BAD|`;
  }
}

const error = (what: string, values: string): Answer => ({ lines: [`ERROR: lead_dearchive ${what}: ${values}`] });

/** Takes as long whatever the two have in common. */
function equal(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

async function readCall(request: Request): Promise<Call> {
  const values = new URLSearchParams(new URL(request.url).search);
  if (request.method === "POST") {
    const body = new TextDecoder().decode(await readBody(request, bodyLimit));
    for (const [name, value] of new URLSearchParams(body)) values.set(name, value);
  }
  const cleaned = (name: string, unwanted: RegExp) => (values.get(name) ?? "").replace(unwanted, "");
  return {
    function: cleaned("function", /[^-_0-9a-zA-Z]/g),
    source: cleaned("source", /[^0-9a-zA-Z]/g),
    user: cleaned("user", /[^-_0-9\p{L}]/gu),
    pass: cleaned("pass", /[^-_0-9\p{L}]/gu),
    leadId: cleaned("lead_id", /[^0-9]/g),
  };
}
