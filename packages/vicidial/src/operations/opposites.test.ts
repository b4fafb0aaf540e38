import { expect, test } from "vitest";
import { archiveOpposite, dearchiveOpposite } from "./opposites.ts";

const undo = { batchId: 1 };

test.each([
  [
    { insert_leads: true, delete_leads: true },
    { insert_leads: true, delete_leads: true },
  ],
  [
    { insert_leads: true, delete_leads: false },
    { insert_leads: false, delete_leads: true },
  ],
  [
    { insert_leads: false, delete_leads: true, all_or_nothing: true },
    { insert_leads: true, delete_leads: false, all_or_nothing: true },
  ],
])("undoes each part of a move %j", (params, expected) => {
  expect(dearchiveOpposite.params(params, undo)).toEqual({ ...expected, update_leads: false });
  expect(archiveOpposite.params(params, undo)).toEqual(expected);
});
