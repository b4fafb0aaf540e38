import { settings, vendors, withVendors } from "../context.ts";
import { describeDatabase } from "../service/local.ts";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { wrongUse } from "../terminal/failure.ts";
import { print } from "../terminal/output.ts";
import { renderTable } from "../terminal/table.ts";

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

/** Examines the settings, the ledger and the vendors. */
export async function runDoctor(vendor: string | undefined, { json }: { json?: true }): Promise<void> {
  const needed = vendors.filter(({ name }) => vendor === undefined || name === vendor);
  if (needed.length === 0) {
    throw wrongUse(`There is no vendor ${vendor}`, `choose one of ${vendors.map(({ name }) => name).join(", ")}`);
  }
  const { databaseUrl } = settings();
  const findings: Finding[] = [{ about: "settings", level: "ok", title: "all are valid" }];
  await withVendors(needed, async (host, instances) => {
    const version = `Node ${process.versions.node}, ${host.database.dialect}`;
    findings.push({ about: "ledger", level: "ok", title: `${describeDatabase(databaseUrl)} answers`, detail: version });
    const fault = host.database.storage.fault();
    if (fault !== undefined)
      findings.push({ about: "ledger", level: "error", title: "cannot store", detail: String(fault) });
    for (const [index, { name }] of needed.entries()) {
      findings.push(await examine(name, async () => instances[index]?.ready?.()));
    }
  });
  const isBroken = findings.some(({ level }) => level === "error");
  process.exitCode = isBroken ? exitStatus.unreachable : exitStatus.done;
  if (json) print(JSON.stringify({ findings, ok: !isBroken }));
  else print(renderFindings(findings));
}

async function examine(about: string, ready: () => Promise<void>): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
  });
  try {
    await Promise.race([ready(), late]);
    return { about, level: "ok", title: "can work" };
  } catch (error) {
    return { about, level: "error", title: "cannot work", detail: (error as Error).message };
  } finally {
    clearTimeout(timer);
  }
}

function renderFindings(findings: readonly Finding[]): string {
  const rows = findings.map(({ about, level, title, detail }) => [level, about, title, detail ?? ""]);
  const statements = findings.flatMap(({ about, sql }) => (sql ? [`\n-- ${about}\n${sql}`] : []));
  return renderTable([], rows) + statements.join("\n");
}
