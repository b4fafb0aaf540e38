import { answerWithin, createInspector, type InspectedVendor } from "@reinstate/batch-core";
import { vendors } from "../../all-vendors.ts";
import { settings, withVendors } from "../context.ts";
import { describeDatabase } from "../service/local.ts";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { wrongUse } from "../terminal/failure.ts";
import { print } from "../terminal/output.ts";
import { renderTable } from "../terminal/table.ts";
import { explainOldNode } from "../terminal/version.ts";

/** One thing that the doctor examined. */
interface Finding {
  about: string;
  level: "ok" | "info" | "warning" | "error";
  title: string;
  detail?: string | undefined;
  /** Statements that repair it. */
  sql?: string | undefined;
}

/** Milliseconds until a vendor must have answered. */
const answerMs = 5_000;
/** Milliseconds for the full inspection of a vendor, which compares every lead that is in both tables of a VICIdial database. */
const inspectMs = 10 * 60_000;

/** Examines the settings, the ledger and the vendors. */
export async function runDoctor(vendor: string | undefined, { json }: { json?: true }): Promise<void> {
  const needed = vendors.filter(({ name }) => vendor === undefined || name === vendor);
  if (needed.length === 0) {
    throw wrongUse(`There is no vendor ${vendor}`, `choose one of ${vendors.map(({ name }) => name).join(", ")}`);
  }
  const { databaseUrl } = settings(vendors);
  const findings: Finding[] = [{ about: "settings", level: "ok", title: "all are valid" }];
  const oldNode = explainOldNode(process.versions.node);
  if (oldNode !== undefined) findings.push({ about: "node", level: "warning", title: oldNode });
  await withVendors(needed, async (host, instances) => {
    const version = `Node ${process.versions.node}, ${host.database.dialect}`;
    findings.push({ about: "ledger", level: "ok", title: `${describeDatabase(databaseUrl)} answers`, detail: version });
    const fault = host.database.storage.fault();
    if (fault !== undefined)
      findings.push({ about: "ledger", level: "error", title: "cannot store", detail: String(fault) });
    const examined = needed.flatMap((vendor, index) => {
      const instance = instances[index];
      return instance ? [{ vendor, instance }] : [];
    });
    const inspector = createInspector(examined, { clock: host.clock, log: host.log, timeoutMs: inspectMs, full: true });
    const inspected = await inspector.inspect();
    for (const { vendor, instance } of examined) {
      findings.push(await examine(vendor.name, async () => instance.ready?.()));
      findings.push(...inspected.filter((found) => found.vendor === vendor.name).flatMap(listFindings));
    }
  });
  const isBroken = findings.some(({ level }) => level === "error");
  process.exitCode = isBroken ? exitStatus.unreachable : exitStatus.done;
  if (json) print(JSON.stringify({ findings, ok: !isBroken }));
  else print(renderFindings(findings));
}

async function examine(about: string, ready: () => Promise<void>): Promise<Finding> {
  try {
    await answerWithin(answerMs, ready());
    return { about, level: "ok", title: "can work" };
  } catch (error) {
    return { about, level: "error", title: "cannot work", detail: (error as Error).message };
  }
}

function listFindings({ vendor: about, inspection, fault }: InspectedVendor): Finding[] {
  if (!inspection) return [{ about, level: "error", title: "cannot be inspected", detail: fault }];
  const { targets, findings, versions } = inspection;
  return [
    ...targets.map(({ target, account, address, reachable, message, ms }): Finding => {
      const title = `${target}${account === undefined ? "" : `, account ${account}`}: ${address}`;
      if (reachable === undefined) return { about, level: "info", title, detail: "not asked" };
      if (!reachable) return { about, level: "error", title, detail: message };
      return { about, level: "ok", title, detail: `answers in ${ms} ms` };
    }),
    ...Object.entries(versions).map(
      ([name, version]): Finding => ({ about, level: "ok", title: `${name} ${version}` }),
    ),
    ...findings.map((finding): Finding => ({ about, ...finding })),
  ];
}

function renderFindings(findings: readonly Finding[]): string {
  const rows = findings.map(({ about, level, title, detail }) => [level, about, title, detail ?? ""]);
  const statements = findings.flatMap(({ about, sql }) => (sql ? [`\n-- ${about}\n${sql}`] : []));
  return renderTable([], rows) + statements.join("\n");
}
