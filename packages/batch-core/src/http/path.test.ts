import { describe, expect, test } from "vitest";
import { createPathTable } from "./path.ts";

describe("the owner of a path", () => {
  const findOwner = createPathTable([
    { path: "/api/v2", owner: "zendesk" },
    { path: "/api/v2/company", owner: "firstpromoter" },
    { path: "/vicidial", owner: "vicidial" },
  ]);

  test.each([
    ["/api/v2", "zendesk"],
    ["/api/v2/tickets", "zendesk"],
    ["/api/v2.json", "zendesk"],
    ["/api/v2/company", "firstpromoter"],
    ["/api/v2/company/promoters", "firstpromoter"],
    ["/api/v2/company.json", "firstpromoter"],
    ["/api/v2/company_old", "zendesk"],
    ["/api/v20", undefined],
    ["/api", undefined],
    ["/vicidial/non_agent_api.php", "vicidial"],
    ["/", undefined],
  ])("of %s is %s", (path, owner) => {
    expect(findOwner(path)).toBe(owner);
  });
});
