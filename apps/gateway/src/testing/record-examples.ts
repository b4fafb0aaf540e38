import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExampleCall } from "@reinstate/batch-core/openapi";
import { listExampleFiles, omitVarying, runExample, startExampleGateway } from "./example-calls.ts";
import { temporaryFolder } from "./gateway-process.ts";

// `node src/testing/record-examples.ts`: makes the example calls of every API, and stores the replies of the demo beside them.

/** A longer reply, such as a page, is no example. */
const longestReply = 4000;

for (const { file, routes } of listExampleFiles()) {
  const { style, calls } = JSON.parse(readFileSync(file, "utf8")) as { style: object; calls: ExampleCall[] };
  await using folder = temporaryFolder();
  await using gateway = await startExampleGateway(`sqlite:${join(folder.path, "demo.db")}`);
  const recorded: ExampleCall[] = [];
  for (const call of calls) {
    if (call.illustration) {
      recorded.push(call);
      continue;
    }
    const { status, body } = await runExample(routes, call, style as never, gateway);
    const isLong = JSON.stringify(body).length > longestReply;
    const reply = { status, body: isLong ? null : body };
    const isSame = call.trimmed || JSON.stringify(omitVarying(call.reply)) === JSON.stringify(omitVarying(reply));
    recorded.push(isSame ? call : { ...call, ...(isLong && { trimmed: true }), reply });
    process.stdout.write(`${call.operationId} ${call.name}: ${status}${isSame ? "" : " (new)"}\n`);
  }
  writeFileSync(file, `${JSON.stringify({ style, calls: recorded }, null, 2)}\n`);
}
