import { createInspector, type InspectedVendor, type LimitState } from "@reinstate/batch-core";
import { formatHours } from "../format.ts";
import { type OperationLimits, renderSystems, type SystemBox } from "../pages/systems.ts";
import { answer, listChoices, type Routes, type Site, toView } from "../site.ts";

/** Adds the page of the vendors. A vendor is asked at most every 30 seconds, and one that hangs delays no other. */
export function addSystems(site: Site, routes: Routes): void {
  const { host, instances } = site;
  const inspector = createInspector(instances, host);

  routes.get("/systems", async (c) => {
    const [inspected, states] = await Promise.all([inspector.inspect(), site.shared("systems", () => host.systems())]);
    const boxes = inspected.map((vendor) => toBox(vendor, states));
    return answer(c, renderSystems(toView(site, c), boxes));
  });

  function toBox({ vendor, label, at, inspection, fault }: InspectedVendor, states: readonly LimitState[]): SystemBox {
    const { targets = [], findings = [], versions = {} } = inspection ?? {};
    const choices = listChoices(site);
    return {
      label,
      fault,
      targets,
      findings,
      versions,
      checkedAt: at,
      operations: states
        .filter(({ operation }) => operation.startsWith(`${vendor}.`))
        .map((state) => {
          const choice = choices.find(({ name, target }) => name === state.operation && target === state.target);
          return toLimits(state, choice?.title ?? state.operation, choice?.operation.chunkSize);
        }),
    };
  }

  function toLimits(state: LimitState, title: string, chunkSize: number | undefined): OperationLimits {
    const { target, account, rate, concurrency, hours, nextAllowedAt } = state;
    return {
      title,
      target,
      account,
      chunkSize,
      rate,
      concurrency,
      hours: hours === null ? undefined : formatHours(hours, host.clock.now()),
      nextAllowedAt,
    };
  }
}
