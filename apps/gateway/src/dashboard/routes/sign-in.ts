import { createWrongKeys } from "@reinstate/batch-core";
import { readRequestId } from "@reinstate/batch-core/http";
import type { Hono } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { readForm } from "../form.ts";
import { renderSignIn } from "../pages/sign-in.ts";
import { isSecure } from "../security.ts";
import { sessionMs } from "../sessions.ts";
import type { SignInLinks } from "../sign-in-links.ts";
import { type Env, type PageContext, type Routes, redirect, type Site, sessionCookie, toView } from "../site.ts";

/** Wrong keys of an address in a minute that are answered; every further one gets 429. */
const wrongKeysPerMinute = 10;

/** Adds the sign-in with a key or a link, and the sign-out. */
export function addSignIn(site: Site, app: Hono<Env>, routes: Routes, signInLinks: SignInLinks): void {
  const { host, sessions, links } = site;
  const wrongKeys = createWrongKeys({ perMinute: wrongKeysPerMinute, clock: host.clock, log: host.log });

  async function startSession(c: PageContext, key: Parameters<typeof sessions.start>[0]): Promise<void> {
    setCookie(c, sessionCookie, await sessions.start(key), {
      path: links.cookiePath,
      httpOnly: true,
      sameSite: "Strict",
      secure: isSecure(c.req.raw),
      maxAge: sessionMs / 1000,
    });
    host.log.info({ request_id: readRequestId(c.req.raw), key: key.id }, "signed in");
  }

  app.get("/sign-in", async (c) => {
    const token = c.req.query("link");
    if (token === undefined) return c.html(renderSignIn(toView(site, c), { next: readNext(c.req.query("next")) }));
    const key = signInLinks.use(token);
    if (!key) {
      const fault = "This link was used before, or is of an earlier start. Sign in with a key.";
      return c.html(renderSignIn(toView(site, c), { next: "/batches", fault }), 401);
    }
    await startSession(c, key);
    return redirect(site, c, "/batches");
  });

  routes.post(
    "/sign-in",
    async (c) => {
      const { secret = "", next } = await readForm(c.req.raw);
      const key = await host.keys.find("admin", secret.trim());
      if (!key) {
        // Throws after too many wrong keys.
        wrongKeys.add(host.admission.readCallerAddress(c.req.raw, c.env) ?? "", "dashboard", readRequestId(c.req.raw));
        const fault = "This is no valid admin key. Check that it is complete, and that it was not revoked.";
        return c.html(renderSignIn(toView(site, c), { next: readNext(next), fault }), 401);
      }
      await startSession(c, key);
      return redirect(site, c, readNext(next));
    },
    { isOpen: true },
  );

  routes.post(
    "/sign-out",
    async (c) => {
      const token = getCookie(c, sessionCookie);
      if (token !== undefined) await sessions.end(token);
      deleteCookie(c, sessionCookie, { path: links.cookiePath });
      return redirect(site, c, "/sign-in");
    },
    { isOpen: true },
  );
}

/** Returns a path of this site; of any other text, the list of batches. */
function readNext(text: string | undefined): string {
  const origin = "http://dashboard.invalid";
  const url = text?.startsWith("/") ? URL.parse(text, origin) : null;
  return url?.origin === origin && !url.pathname.startsWith("//") ? url.pathname + url.search : "/batches";
}
