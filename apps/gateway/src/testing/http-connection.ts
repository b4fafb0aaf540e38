import { connect, type Socket } from "node:net";

/** An answer as a load generator sees it. */
export interface TimedAnswer {
  status: number;
  ms: number;
}

/** One connection that is kept open, with one call on it at a time. */
export interface HttpConnection {
  /** Resolves with the answer; status 0 if the connection is lost. */
  call(request: Buffer): Promise<TimedAnswer>;
  close(): void;
}

/** Returns the bytes of a request. */
export function writeRequest(method: string, path: string, headers: Record<string, string>, body = ""): Buffer {
  const all = {
    host: "localhost",
    ...headers,
    ...(body !== "" && { "content-length": String(Buffer.byteLength(body)) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

/** Performance: a client of its own, because a load generator must cost far less than what it loads. */
export function openHttp(baseUrl: string): HttpConnection {
  const { hostname, port } = new URL(baseUrl);
  let socket: Socket | undefined;
  let text = "";
  let finish: ((status: number) => void) | undefined;

  function open(): Socket {
    const opened = connect(Number(port), hostname);
    opened.setNoDelay(true).setEncoding("latin1");
    opened.on("data", (part: string) => {
      text += part;
      if (isComplete(text)) finish?.(Number(text.slice(9, 12)));
    });
    opened.on("error", () => {});
    opened.on("close", () => {
      if (socket === opened) socket = undefined;
      finish?.(0);
    });
    return opened;
  }

  return {
    call: (request) =>
      new Promise((resolve) => {
        const started = performance.now();
        text = "";
        finish = (status) => {
          finish = undefined;
          resolve({ status, ms: performance.now() - started });
        };
        socket ??= open();
        socket.write(request);
      }),
    close: () => socket?.destroy(),
  };
}

function isComplete(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const head = text.slice(0, end).toLowerCase();
  const length = /content-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) return text.length >= end + 4 + Number(length);
  return !head.includes("chunked") || text.endsWith("0\r\n\r\n");
}
