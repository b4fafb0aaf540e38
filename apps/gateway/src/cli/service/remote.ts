import { readFileSync } from "node:fs";
import { unreachable, wrongUse } from "../terminal/failure.ts";
import { createService, type Service } from "./service.ts";

/** Milliseconds until a server must have answered a call. */
const answerMs = 8_000;

/** Opens `/v1` on a server. */
export function openRemote(server: string, key: string): Service {
  const baseUrl = parseServer(server);

  async function call(path: string, init: RequestInit): Promise<Response> {
    // An upload and a stream take their time; each has a call without one before it.
    const isLong = init.signal !== undefined && init.signal !== null;
    try {
      return await fetch(baseUrl + path, {
        ...init,
        headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${key}` },
        redirect: "error",
        signal: init.signal ?? AbortSignal.timeout(answerMs),
      });
    } catch (error) {
      if (isLong && init.signal?.aborted) throw error;
      throw unreachable(
        `${baseUrl} cannot be reached`,
        explainFault(error),
        "start the server there (reinstate serve), or check the address in --server",
      );
    }
  }

  return createService({
    place: `the server ${baseUrl}`,
    server: baseUrl,
    fetch: call,
    run: async () => ({ stop: async () => {} }),
    close: async () => {},
  });
}

function parseServer(server: string): string {
  const url = URL.parse(server);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw wrongUse(`--server ${server} is no address`, "give a URL, such as http://127.0.0.1:8787");
  }
  if (url.username || url.password || url.search || url.hash) {
    throw wrongUse("--server must be an address alone", "put the key into REINSTATE_KEY, and leave out ?, # and @");
  }
  return url.href.replace(/\/+$/, "");
}

/** Returns the reason why a call had no answer. */
function explainFault(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === "TimeoutError") return `no answer within ${answerMs / 1000} s`;
  const reasons: Record<string, string> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "there is no such host name",
    EAI_AGAIN: "the host name cannot be looked up now",
    ECONNRESET: "the connection was closed before the answer",
    UND_ERR_SOCKET: "the connection was closed before the answer",
    DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; NODE_EXTRA_CA_CERTS=FILE trusts it",
    SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not trusted; NODE_EXTRA_CA_CERTS=FILE trusts it",
  };
  const code = cause?.code ?? "";
  return reasons[code] ?? cause?.message ?? message;
}

/** Reads the key of a server: from the environment, a file that it names, or the first line of standard input. */
export async function readKey({ keyStdin }: { keyStdin?: boolean | undefined }): Promise<string> {
  const { REINSTATE_KEY: value, REINSTATE_KEY_FILE: file } = process.env;
  if (keyStdin) return checkKey((await readStandardInput()).split("\n", 1)[0] ?? "", "standard input");
  if (value !== undefined && file !== undefined) {
    throw wrongUse("REINSTATE_KEY and REINSTATE_KEY_FILE are both set", "keep one of them");
  }
  if (file !== undefined) return checkKey(readKeyFile(file), "REINSTATE_KEY_FILE");
  if (value !== undefined) return checkKey(value, "REINSTATE_KEY");
  throw wrongUse(
    "A server needs an admin key",
    "set REINSTATE_KEY, or REINSTATE_KEY_FILE with the path of a file, or send it with --key-stdin",
  );
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = `${path}: ${(error as NodeJS.ErrnoException).code}`;
    throw wrongUse("REINSTATE_KEY_FILE cannot be read", "give the path of a readable file", why);
  }
}

function checkKey(text: string, source: string): string {
  const key = text.trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw wrongUse(`${source} holds no key`, "put the key there alone, as reinstate keys create prints it");
}

async function readStandardInput(): Promise<string> {
  let text = "";
  for await (const part of process.stdin.setEncoding("utf8")) text += part;
  return text;
}
