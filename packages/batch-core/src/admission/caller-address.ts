import { BlockList, isIP, isIPv6 } from "node:net";

/** The data that `@hono/node-server` passes beside the request. */
interface NodeServer {
  incoming?: { socket?: { remoteAddress?: string | undefined } };
}

/** Reports whether a text is an address, or a network like `10.0.0.0/8`. */
export function isProxyAddress(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
}

/**
 * Returns a reader of the address of a caller: that of the connection, or behind a trusted proxy the last address of
 * `X-Forwarded-For` that is no trusted proxy. Undefined if the server does not report the connection.
 * @throws Error for a proxy that is neither an address nor a network.
 */
export function createCallerAddress(
  trustedProxies: readonly string[],
): (request: Request, env: unknown) => string | undefined {
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const [address = "", bits] = proxy.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (!isProxyAddress(proxy))
      throw new Error(`Invalid proxy address ${proxy}; use an address or a network like 10.0.0.0/8`);
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string) => trusted.check(address, isIPv6(address) ? "ipv6" : "ipv4");
  return (request, env) => {
    const peer = (env as NodeServer | undefined)?.incoming?.socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, "");
    if (peer === undefined || trustedProxies.length === 0 || !isTrusted(peer)) return peer;
    const forwarded = (request.headers.get("x-forwarded-for") ?? "").split(",").map((address) => address.trim());
    let caller = peer;
    for (const address of forwarded.reverse()) {
      if (isIP(address) === 0) break;
      caller = address;
      if (!isTrusted(address)) break;
    }
    return caller;
  };
}
