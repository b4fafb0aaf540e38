import { expect, test } from "vitest";
import type { CampaignState } from "../schemas.ts";
import { add, assignParent, move, setState, shownState } from "./rules.ts";

const promoter = (
  states: Record<number, CampaignState> = {},
  given: { archived?: boolean; parent_id?: number } = {},
) => ({
  id: 1,
  archived: given.archived ?? false,
  parent_id: given.parent_id ?? null,
  states: new Map(Object.entries(states).map(([id, state]) => [Number(id), state])),
});

test("shows blocked while archived, otherwise the stored state", () => {
  expect(shownState("accepted", true, "blocked")).toBe("blocked");
  expect(shownState("accepted", true, "inactive")).toBe("inactive");
  expect(shownState("accepted", true, "kept")).toBe("accepted");
  expect(shownState("pending", false, "blocked")).toBe("pending");
});

test("sets a state only in the promoter's own campaigns", () => {
  expect(setState(promoter({ 7: "pending" }), 7, "accepted")).toBe("change");
  expect(setState(promoter({ 7: "accepted" }), 7, "accepted")).toEqual({ unchanged: "already_accepted" });
  expect(setState(promoter(), 7, "accepted")).toMatchObject({ failed: "Promoter 1 is not in campaign 7" });
  expect(setState(promoter({ 7: "pending" }, { archived: true }), 7, "accepted")).toMatchObject({ code: "archived" });
});

test("moves a membership once, and never onto another", () => {
  expect(move(promoter({ 7: "accepted" }), 7, 8)).toBe("change");
  expect(move(promoter({ 8: "accepted" }), 7, 8)).toEqual({ unchanged: "already_moved" });
  expect(move(promoter({ 7: "accepted" }), 7, 7)).toEqual({ unchanged: "already_moved" });
  expect(move(promoter({ 7: "accepted", 8: "accepted" }), 7, 8)).toMatchObject({ code: "already_in_campaign" });
  expect(move(promoter(), 7, 8)).toMatchObject({ code: "not_in_campaign" });
});

test("adds a promoter once, and rejects cycles of parents", () => {
  expect(add(promoter(), 7)).toBe("change");
  expect(add(promoter({ 7: "blocked" }), 7)).toEqual({ unchanged: "already_in_campaign" });
  expect(assignParent(promoter(), [2, 3])).toBe("change");
  expect(assignParent(promoter({}, { parent_id: 2 }), [2, 3])).toEqual({ unchanged: "already_assigned" });
  expect(assignParent(promoter(), [2, 1])).toMatchObject({ code: "circle" });
  expect(assignParent(promoter(), [1])).toMatchObject({ code: "circle" });
});
