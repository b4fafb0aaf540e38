import { once } from "node:events";
import { connect } from "node:net";

/** A reply as it stood on the wire. */
export interface RawReply {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** Chunked encoding is left as it is. */
  body: string;
}

/** Sends the bytes of a request and reads until the server closes the connection. */
export async function sendRaw(baseUrl: string, request: string): Promise<RawReply> {
  const { hostname, port } = new URL(baseUrl);
  const socket = connect(Number(port), hostname);
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await once(socket, "connect");
  socket.write(request);
  await once(socket, "close");
  return parseReply(text);
}

/** Parses the text of one reply. */
export function parseReply(text: string): RawReply {
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return { status: Number(statusLine.split(" ")[1]), headers, body: text.slice(end + 4) };
}
