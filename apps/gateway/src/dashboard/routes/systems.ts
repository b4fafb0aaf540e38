import { toMessage } from "@reinstate/batch-core";
import { renderSystems, type SystemBox } from "../pages/systems.ts";
import { answer, listChoices, type Routes, type Site, toView } from "../site.ts";

/** Adds the page of the vendors. */
export function addSystems(site: Site, routes: Routes): void {
  const { host, instances } = site;
  routes.get("/systems", async (c) => {
    const now = host.clock.now();
    const boxes = await Promise.all(
      instances.map(async ({ vendor, instance }): Promise<SystemBox> => {
        let state: SystemBox["state"] = "ready";
        try {
          await instance.ready?.();
        } catch (error) {
          host.log.warn({ vendor: vendor.name, error: toMessage(error) }, "vendor not ready");
          state = "not ready";
        }
        return {
          label: vendor.label,
          state,
          targets: [],
          findings: [],
          versions: {},
          checkedAt: now,
          operations: listChoices(site)
            .filter(({ vendor: label }) => label === vendor.label)
            .map(({ title, target, operation: { chunkSize, limits } }) => {
              const from = limits?.allowedFrom?.(now) ?? now;
              return {
                title,
                target,
                chunkSize,
                perSecond: limits?.perSecond,
                burst: limits?.burst,
                left: undefined,
                concurrency: limits?.concurrency,
                running: undefined,
                hours: limits?.allowedFrom ? (from > now ? "closed" : "open") : undefined,
                nextAllowedAt: from > now ? from : undefined,
              };
            }),
        };
      }),
    );
    return answer(c, renderSystems(toView(site, c), boxes));
  });
}
