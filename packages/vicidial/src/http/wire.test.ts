import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createTestHost } from "@reinstate/batch-core/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createVicidial } from "../create.ts";

const key = "a-key-of-the-tests";
/** A call that a policy refuses at any time, and one that it lets through. */
const never = "outside 00:00-24:00 mon-sun";

interface Served {
  port: number;
  close(): Promise<void>;
}

async function serve(hours: string): Promise<Served> {
  const host = await createTestHost({ role: "web" });
  await host.keys.create({ vendor: "vicidial", secret: key });
  await host.keys.create({ vendor: "vicidial", secret: `${key}-l1`, options: { dialect: "L1" } });
  const vicidial = await createVicidial(host, { dearchiveHours: hours, archiveHours: hours });
  const server = createServer(getRequestListener(vicidial.routes.fetch));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await vicidial.close();
      await host.close();
    },
  };
}

let open: Served;
let closed: Served;
beforeAll(async () => {
  [open, closed] = await Promise.all([serve("any"), serve(never)]);
});
afterAll(async () => {
  await Promise.all([open.close(), closed.close()]);
});

/** Everything that the server writes for what is written to it, until it closes the connection. */
function said({ port }: Served, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("data", (part) => {
      answer += part;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}

const request = (path: string, body: string, { secret = key, connection = "close" } = {}) =>
  [
    `POST /vicidial/${path} HTTP/1.1`,
    "Host: server",
    `Authorization: Key=${secret}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Connection: ${connection}`,
    "",
    body,
  ].join("\r\n");

const asked = (flags: object, lead_ids: unknown) => JSON.stringify({ ...flags, lead_ids });
const both = { insert_leads: true, delete_leads: true };
const all = { ...both, update_leads: true };
const many = Array.from({ length: 501 }, (_, index) => index);

const dearchive: [string, string, string][] = [
  ["442 Invalid insert_leads", asked({ delete_leads: true }, [0]), "insert_leads must be a boolean value"],
  ["443 Invalid delete_leads", asked({ insert_leads: true }, [0]), "delete_leads must be a boolean value"],
  ["444 Not Integers", asked(both, ["0"]), "lead_ids must only contain integer values"],
  ["445 No Values", asked(both, []), "lead_ids must contain atleast 1 value"],
  ["446 Too Many Values", asked(both, many), "lead_ids cannot exceed 500 values"],
  ["447 Duplicate Values", asked(both, [0, 0]), "lead_ids cannot contain duplicate values"],
  ["448 Leads Do Not Exist", asked(both, [0]), "lead_ids does not exist"],
  ["449 Error", "{", "Error reading JObject from JsonReader. Path '', line 1, position 1."],
];

const archive: [string, string, string][] = [
  ["432 Invalid insert_leads", asked({ ...all, insert_leads: 1 }, [0]), "insert_leads must be a boolean value"],
  ["433 Invalid update_leads", asked({ ...all, update_leads: 1 }, [0]), "update_leads must be a boolean value"],
  ["434 Invalid delete_leads", asked({ ...all, delete_leads: 1 }, [0]), "delete_leads must be a boolean value"],
  ["435 Not Integers", asked(all, ["0"]), "lead_ids must only contain integer values"],
  ["436 No Values", asked(all, []), "lead_ids must contain atleast 1 value"],
  ["437 Too Many Values", asked(all, many), "lead_ids cannot exceed 500 values"],
  ["438 Duplicate Values", asked(all, [0, 0]), "lead_ids cannot contain duplicate values"],
  ["439 Leads Do Not Exist", asked(all, [0]), "specified lead_ids does not exist"],
  ["440 Error", "{", "Error reading JObject from JsonReader. Path '', line 1, position 1."],
];

/** The parts of one answer. */
function parts(answer: string) {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  const [statusLine, ...lines] = head.split("\r\n");
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.split(": ")[1]]));
  return { statusLine, headers, body };
}

test.each([
  ...dearchive.map((one) => ["lead/dearchive/", ...one] as const),
  ...archive.map((one) => ["lead/archive/customer_name", ...one] as const),
])("on the wire %s answers %s", async (path, status, body, message) => {
  const { statusLine, headers, body: text } = parts(await said(open, request(path, body)));
  expect(statusLine).toBe(`HTTP/1.1 ${status}`);
  expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
  const [spoken, code] = path.includes("dearchive") ? ["message", "http_code"] : ["error", "status_code"];
  expect(JSON.parse(text)).toMatchObject({ [spoken]: message, [code]: Number(status.slice(0, 3)) });
});

test.each([
  ["lead/dearchive", key, '{"message":"api cannot be executed during office hours time condition","http_code":441}'],
  [
    "lead/dearchive",
    `${key}-l1`,
    '{"error":"api cannot be executed during office hours time condition","status_code":441}',
  ],
  [
    "lead/archive",
    key,
    '{"error":"api cannot be executed during specified office hours time condition","status_code":441}',
  ],
])("in office hours /vicidial/%s answers 441 with its phrase", async (path, secret, expected) => {
  const { statusLine, body } = parts(await said(closed, request(path, "{}", { secret })));
  expect([statusLine, body]).toEqual(["HTTP/1.1 441 Office Hours", expected]);
});

test("the standard statuses keep their standard phrases", async () => {
  const lines = [
    ["leads/dearchive", key, "400 Bad Request"],
    ["leads/dearchive", "another", "401 Unauthorized"],
    ["lead/dearchive", "another", "401 Unauthorized"],
    ["leads/other", key, "404 Not Found"],
  ] as const;
  for (const [path, secret, status] of lines) {
    const answer = await said(open, request(path, asked(both, []), { secret }));
    expect(parts(answer).statusLine).toBe(`HTTP/1.1 ${status}`);
  }
});

test("answers pipelined calls in order with their own status lines", async () => {
  const calls = [
    request("lead/dearchive", asked(both, []), { connection: "keep-alive" }),
    request("leads/dearchive", asked(both, []), { connection: "keep-alive" }),
    request("lead/archive", asked(all, [0])),
  ];
  const answers = (await said(open, calls.join(""))).match(/HTTP\/1\.1 \d{3}[^\r]*/g);
  expect(answers).toEqual(["HTTP/1.1 445 No Values", "HTTP/1.1 400 Bad Request", "HTTP/1.1 439 Leads Do Not Exist"]);
});
