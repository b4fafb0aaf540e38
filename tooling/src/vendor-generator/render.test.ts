import { expect, test } from "vitest";
import { render } from "./render.ts";

const template = [
  "export const acme = createAcme(widgets); // ACME_KEY",
  "accounts: true, // only with --accounts",
  "const id = 1; // only with --ids integer",
  'const id = "widget-1"; // only with --ids string',
  "| one account | <!-- only without --accounts -->",
].join("\n");

test("keeps the lines of the options and renames the rest", () => {
  const base = { name: "zendesk", record: "ticket" };
  expect(render(template, { ...base, accounts: true, ids: "integer" }).split("\n")).toEqual([
    "export const zendesk = createZendesk(tickets); // ZENDESK_KEY",
    "accounts: true,",
    "const id = 1;",
  ]);
  expect(render(template, { ...base, accounts: false, ids: "string" }).split("\n")).toEqual([
    "export const zendesk = createZendesk(tickets); // ZENDESK_KEY",
    'const id = "ticket-1";',
    "| one account |",
  ]);
});

test("takes names that hold a name of the template", () => {
  const request = { name: "widgetry", record: "acmeitem", accounts: true, ids: "integer" } as const;
  expect(render("acme: Acme, widgets: Widget", request)).toBe("widgetry: Widgetry, acmeitems: Acmeitem");
});
