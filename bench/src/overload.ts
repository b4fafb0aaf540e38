import { type GatewayProcess, run, startGateway } from "../../apps/gateway/src/testing/gateway-process.ts";
import { writeRequest } from "../../apps/gateway/src/testing/http-connection.ts";
import { measureOverload, type OverloadFigures } from "../../apps/gateway/src/testing/overload.ts";

/** The targets at ten times the capacity. */
const targets: [keyof OverloadFigures | "share", string, (value: number) => boolean][] = [
  ["share", "at least 0.9 of the capacity", (value) => value >= 0.9],
  ["healthP99Ms", "under 250 ms", (value) => value < 250],
  ["megabytes", "under 512 MB", (value) => value < 512],
  ["recoverySeconds", "within 5 s", (value) => value <= 5],
];

/** Prepares requests with `ids` promoters each, for several keys of the account. */
async function prepareCalls(settings: Record<string, string>, keys: number, ids: number): Promise<string[]> {
  const requests: string[] = [];
  for (let key = 0; key < keys; key++) {
    const made = await run(["keys", "create", "--vendor", "firstpromoter", "--account", "acc_demo"], settings);
    for (let first = 1; first < 800; first += 37) {
      const body = JSON.stringify({ ids: Array.from({ length: ids }, (_, index) => first + index) });
      const headers = {
        authorization: `Bearer ${made.out.trim()}`,
        "account-id": "acc_demo",
        "content-type": "application/json",
      };
      requests.push(writeRequest("POST", "/api/v2/company/promoters/restore", headers, body).toString());
    }
  }
  return requests;
}

/** Overloads a gateway for `seconds` and prints the figures. Returns the missed targets. */
export async function soakOverload(
  databaseUrl: string,
  { seconds, factor = 10, keys = 4, ids = 1 }: { seconds: number; factor?: number; keys?: number; ids?: number },
): Promise<string[]> {
  const settings = {
    REINSTATE_DATABASE_URL: databaseUrl,
    REINSTATE_DEMO: "true",
    REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
    LOG_LEVEL: "warn",
  };
  await using gateway: GatewayProcess = await startGateway(settings);
  const requests = await prepareCalls(settings, keys, ids);
  const figures = await measureOverload(gateway, { calmSeconds: 6, overloadSeconds: seconds, factor, requests });
  const { capacity, offered, goodput, statuses, unsent, acceptedP99Ms, healthP99Ms, megabytes, recoverySeconds } =
    figures;
  const perCpu = figures.goodputPerCpuSecond / figures.capacityPerCpuSecond;
  process.stdout.write(
    `overload of ${databaseUrl.split(":")[0]}, ${keys} keys, ${ids} ids: capacity ${Math.round(capacity)} calls a second; offered ${Math.round(offered)} ` +
      `for ${seconds} s: ${Math.round(goodput)} done (${(goodput / capacity).toFixed(2)}; by processor time ${perCpu.toFixed(2)}; processors used: gateway ${figures.gatewayShare.toFixed(2)}, ` +
      `load generator ${figures.generatorShare.toFixed(2)}), by status ${JSON.stringify(statuses)}, ` +
      `${unsent} not sent; accepted p99 ${Math.round(acceptedP99Ms)} ms, /healthz p99 ${Math.round(healthP99Ms)} ms, ` +
      `${Math.round(megabytes)} MB, normal after ${recoverySeconds.toFixed(1)} s\n`,
  );
  const values = { ...figures, share: goodput / capacity };
  return targets
    .filter(([name, , isMet]) => !isMet(values[name] as number))
    .map(([name, target]) => `${name} was not ${target}`);
}
