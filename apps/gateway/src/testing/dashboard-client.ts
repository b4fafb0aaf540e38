import type { Gateway } from "../gateway.ts";

/** A browser of the dashboard without a script. It keeps its cookie and follows no redirects. */
export interface DashboardClient {
  cookie: string | undefined;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** Sends a form. A header of the value "" is left out. */
  post(path: string, fields?: Record<string, string> | FormData, headers?: Record<string, string>): Promise<Response>;
}

const origin = "http://dashboard.test";

/** Creates a browser that is not signed in. */
export function createDashboardClient({ fetch }: Pick<Gateway, "fetch">): DashboardClient {
  async function call(
    path: string,
    init: Omit<RequestInit, "headers"> & { headers: Record<string, string> },
  ): Promise<Response> {
    const headers: Record<string, string> = { host: "dashboard.test", accept: "text/html", ...init.headers };
    if (client.cookie) headers.cookie = client.cookie;
    for (const [name, value] of Object.entries(headers)) if (value === "") delete headers[name];
    const response = await fetch(new Request(origin + path, { ...init, headers }));
    const [set] = response.headers.getSetCookie();
    if (set !== undefined) client.cookie = set.split(";", 1)[0];
    return response;
  }
  const client: DashboardClient = {
    cookie: undefined,
    get: (path, headers = {}) => call(path, { headers }),
    post: (path, fields = {}, headers = {}) =>
      call(path, {
        method: "POST",
        body: fields instanceof FormData ? fields : new URLSearchParams(fields),
        headers: { origin, ...headers },
      }),
  };
  return client;
}

/** Creates a browser that is signed in with a key. */
export async function signIn(gateway: Pick<Gateway, "fetch">, secret = "demo-admin-key"): Promise<DashboardClient> {
  const client = createDashboardClient(gateway);
  const response = await client.post("/sign-in", { secret, next: "/batches" });
  if (response.status !== 303) throw new Error(`The sign-in was answered ${response.status}`);
  return client;
}

/** Returns the value of the first hidden field with this name in a page. */
export const readHidden = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";
