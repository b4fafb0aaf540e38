import { createTestClock, createTestHost } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { createSessions, sessionMs } from "./sessions.ts";

describe("sessions", () => {
  test("end after twelve hours and leave no row", async () => {
    const clock = createTestClock();
    await using host = await createTestHost({ clock });
    const sessions = await createSessions(host);
    const { key } = await host.keys.create({ vendor: "admin", name: "Ada", options: { access: "read" } });
    const token = await sessions.start(key);
    clock.advance(sessionMs - 1);
    expect(await sessions.find(token)).toMatchObject({ key, canWrite: false });
    clock.advance(1);
    expect(sessionMs).toBe(12 * 60 * 60 * 1000);
    expect(await sessions.find(token)).toBeUndefined();
    await sessions.start(key);
    const rows = await host.database
      .tables<{ reinstate_sessions: object }>()
      .selectFrom("reinstate_sessions")
      .selectAll()
      .execute();
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(token);
  });
});
