import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { GatewayProcess } from "./gateway-process.ts";
import { openHttp, writeRequest } from "./http-connection.ts";
import type { LoadOptions, LoadResult } from "./load.ts";

export interface OverloadOptions {
  /** Seconds of each measurement of the capacity, and of the overload. */
  calmSeconds: number;
  overloadSeconds: number;
  /** How many times the capacity is sent. */
  factor: number;
  requests: string[];
}

export interface OverloadFigures {
  /** Calls a second with 200 from 64 clients: the mean of before and after, because the ledger grows by each call. */
  capacity: number;
  offered: number;
  /** Calls a second with 200 under overload. */
  goodput: number;
  /** The same for a second of processor time of the gateway: on a busy machine these two can be compared. */
  capacityPerCpuSecond: number;
  goodputPerCpuSecond: number;
  /** The parts of a processor that the gateway and the load generator used under overload. */
  gatewayShare: number;
  generatorShare: number;
  /** Calls under overload by status. */
  statuses: Record<string, number>;
  unsent: number;
  acceptedP99Ms: number;
  healthP99Ms: number;
  /** The largest resident memory under overload. */
  megabytes: number;
  /** Until five calls in a row are answered as in calm times. */
  recoverySeconds: number;
}

/** Sends a gateway far more calls than it can answer, from a process of its own, and measures what becomes of them. */
export async function measureOverload(gateway: GatewayProcess, options: OverloadOptions): Promise<OverloadFigures> {
  const { calmSeconds, overloadSeconds, factor, requests } = options;
  const { baseUrl } = gateway;
  const measureCapacity = async () => {
    const from = cpuSeconds(gateway.child.pid);
    const calm = await load({ baseUrl, requests, seconds: calmSeconds, connections: 64 });
    return { perSecond: perSecond(calm), perCpuSecond: doneBy(calm) / (cpuSeconds(gateway.child.pid) - from) };
  };
  // The first calls warm the process up.
  await measureCapacity();
  const before = await measureCapacity();
  const calmMs = await median(baseUrl, requests);

  const watch = watchHealth(gateway);
  const offered = before.perSecond * factor;
  const from = cpuSeconds(gateway.child.pid);
  const overload = await load({ baseUrl, requests, seconds: overloadSeconds, perSecond: offered, connections: 1000 });
  const cpu = cpuSeconds(gateway.child.pid) - from;
  const { healthP99Ms, megabytes } = await watch.end();
  const recoverySeconds = await recover(baseUrl, requests, Math.max(50, calmMs * 5));
  const after = await measureCapacity();
  return {
    capacity: (before.perSecond + after.perSecond) / 2,
    offered: (overload.sent + overload.unsent) / overload.seconds,
    goodput: perSecond(overload),
    capacityPerCpuSecond: (before.perCpuSecond + after.perCpuSecond) / 2,
    goodputPerCpuSecond: doneBy(overload) / cpu,
    gatewayShare: cpu / overload.seconds,
    generatorShare: overload.cpuSeconds / overload.seconds,
    statuses: overload.statuses,
    unsent: overload.unsent,
    acceptedP99Ms: overload.p99Ms,
    healthP99Ms,
    megabytes,
    recoverySeconds,
  };
}

const doneBy = ({ statuses }: LoadResult) => statuses[200] ?? 0;
const perSecond = (result: LoadResult) => doneBy(result) / result.seconds;

/** NaN where the system does not tell. */
function cpuSeconds(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

async function load(options: LoadOptions): Promise<LoadResult> {
  const script = fileURLToPath(new URL("load.ts", import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`The load generator ended with ${status}`);
  return JSON.parse(text) as LoadResult;
}

async function median(baseUrl: string, requests: readonly string[]): Promise<number> {
  const connection = openHttp(baseUrl);
  const times: number[] = [];
  for (let count = 0; count < 21; count++) times.push((await connection.call(Buffer.from(requests[0] as string))).ms);
  connection.close();
  return times.sort((a, b) => a - b)[10] as number;
}

/** Asks `/healthz` twenty times a second until the end. */
function watchHealth({ baseUrl, child }: GatewayProcess) {
  const request = writeRequest("GET", "/healthz", {});
  const times: number[] = [];
  let megabytes = 0;
  let isOver = false;
  const done = (async () => {
    const connection = openHttp(baseUrl);
    while (!isOver) {
      const { status, ms } = await connection.call(request);
      times.push(status === 200 ? ms : Number.POSITIVE_INFINITY);
      megabytes = Math.max(megabytes, residentMegabytes(child.pid));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 50 - ms)));
    }
    connection.close();
  })();
  return {
    async end() {
      isOver = true;
      await done;
      times.sort((a, b) => a - b);
      return { healthP99Ms: times[Math.floor(times.length * 0.99)] ?? 0, megabytes };
    },
  };
}

/** 0 where the system does not tell. */
function residentMegabytes(pid: number | undefined): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

async function recover(baseUrl: string, requests: readonly string[], normalMs: number): Promise<number> {
  const started = performance.now();
  const connection = openHttp(baseUrl);
  let inRow = 0;
  let since = started;
  while (inRow < 5 && performance.now() - started < 60_000) {
    const { status, ms } = await connection.call(Buffer.from(requests[0] as string));
    if (status === 200 && ms <= normalMs) inRow++;
    else {
      inRow = 0;
      since = performance.now();
    }
  }
  connection.close();
  return (since - started) / 1000;
}
