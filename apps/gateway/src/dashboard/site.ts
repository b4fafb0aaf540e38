import type { Host, Vendor, VendorInstance } from "@reinstate/batch-core";
import type { Context, Handler, Hono } from "hono";
import { getCookie } from "hono/cookie";
import type { Html } from "./html.ts";
import type { Links } from "./links.ts";
import { listOperations, type OperationChoice } from "./operations.ts";
import { type Message, renderMessage } from "./pages/messages.ts";
import { isOwnOrigin } from "./security.ts";
import type { Session, Sessions } from "./sessions.ts";
import type { LiveReads, SharedReads } from "./shared-reads.ts";
import type { StreamCount } from "./stream-count.ts";
import type { View } from "./view.ts";

export type Env = { Variables: { session: Session | undefined } };
export type PageContext = Context<Env, string>;

/** The shared parts of the routes of the dashboard. */
export interface Site {
  host: Host;
  vendors: readonly Vendor[];
  instances: readonly { vendor: Vendor; instance: VendorInstance }[];
  links: Links;
  sessions: Sessions;
  shared: SharedReads;
  readLive: LiveReads;
  streams: StreamCount;
  assets: View["assets"];
  /** Aborted when the process stops. */
  closing: AbortSignal;
}

export const sessionCookie = "reinstate_session";

/** Returns the parts that every page needs. */
export const toView = ({ links, assets, host }: Site, c: PageContext): View => ({
  links,
  assets,
  session: c.get("session"),
  now: host.clock.now(),
});

/** Returns the session of a page that requires one. */
export function readSession(c: PageContext): Session {
  const session = c.get("session");
  if (!session) throw new Error("The route has no session");
  return session;
}

export const listChoices = ({ host, vendors }: Site): OperationChoice[] => listOperations(host, vendors);

/** Answers with a page that explains a fault. */
export const answerMessage = (
  site: Site,
  c: PageContext,
  status: 400 | 401 | 403 | 404 | 409 | 422,
  message: Message,
) => c.html(renderMessage(toView(site, c), message), status);

/** Answers with a page. */
export const answer = (c: PageContext, page: Html) => c.html(page);

/** Redirects after a change, so that a reload does not repeat it. */
export const redirect = ({ links }: Site, c: PageContext, path: string) => c.redirect(links.path(path), 303);

/** Registers routes. All but the open ones need a session; the ones that change something need one that may write. */
export interface Routes {
  /** Loads the session of a page that is for anyone, so that its navigation is shown. */
  loadSession(c: PageContext): Promise<Session | undefined>;
  /** Adds a page. `forWriters`: a read-only session gets 403. */
  get(path: string, handler: Handler<Env>, options?: { forWriters?: boolean }): void;
  /** Adds a change. `isOpen`: for anyone, such as the sign-in. */
  post(path: string, handler: Handler<Env>, options?: { isOpen?: boolean }): void;
}

/** The only place where sessions, rights and origins are checked: no route can forget it. */
export function createRoutes(site: Site, app: Hono<Env>): Routes {
  const { links, sessions, host } = site;

  async function loadSession(c: PageContext): Promise<Session | undefined> {
    const token = getCookie(c, sessionCookie);
    const session = token === undefined ? undefined : await sessions.find(token);
    c.set("session", session);
    if (session) host.admission.identify(c.req.raw, `admin ${session.key.id}`);
    return session;
  }

  const forbid = (c: PageContext) =>
    answerMessage(site, c, 403, {
      title: "This key may only read",
      text: "Sign in with an admin key without access=read to change something.",
    });

  return {
    loadSession,

    get(path, handler, { forWriters = false } = {}) {
      app.get(path, async (c, next) => {
        const session = await loadSession(c);
        if (!session) {
          if (c.req.header("accept") === "text/event-stream") return c.body(null, 401);
          const asked = c.req.path + new URL(c.req.url).search;
          return c.redirect(links.path("/sign-in", { next: asked === "/" ? null : asked }), 303);
        }
        if (forWriters && !session.canWrite) return forbid(c);
        return handler(c, next);
      });
    },

    post(path, handler, { isOpen = false } = {}) {
      app.post(path, async (c, next) => {
        if (!isOwnOrigin(c.req.raw)) {
          return answerMessage(site, c, 403, {
            title: "This form came from another site",
            text: "The header Origin does not name this server. A proxy must pass the header Host unchanged.",
          });
        }
        const session = await loadSession(c);
        if (isOpen) return handler(c, next);
        if (!session) return c.redirect(links.path("/sign-in"), 303);
        if (!session.canWrite) return forbid(c);
        return handler(c, next);
      });
    },
  };
}
