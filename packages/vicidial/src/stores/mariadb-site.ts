import type { Connection, RowDataPacket } from "mysql2/promise";
import { type CallTimeRow, type HolidayRow, scheduleOf } from "../call-times.ts";
import type { Schedule } from "../office-hours.ts";

/** A user of VICIdial, as its own API looks at one. Flags and levels as VICIdial keeps them. */
export interface SiteUser {
  user: string;
  pass: string;
  user_group: string;
  active: string;
  user_level: number;
  modify_leads: string;
  vdc_agent_api_access: string;
  api_allowed_functions: string;
  /** Too many failed logins within the last quarter of an hour. */
  locked: boolean;
}

/** A call of VICIdial's own API, for its log. */
export interface ApiCall {
  user: string;
  function: string;
  value: string;
  result: string;
  reason: string;
  source: string;
  data: string;
  seconds: number;
  url: string;
}

/** What of a VICIdial database lies around the lead tables. A table that is not there holds nothing. */
export interface Site {
  /** Throws where there is no call time with this id. */
  callTime(id: string): Promise<Schedule>;
  /** Undefined where there is none, and where passwords are kept as VICIdial's own hashes, which we cannot check. */
  user(name: string): Promise<SiteUser | undefined>;
  /** Counts a login of a user: failed ones lock the user for a while. */
  noteLogin(user: string, right: boolean): Promise<void>;
  /** The lists of the campaigns that a user group may see; `all` where it may see every one. */
  allowedLists(userGroup: string): Promise<Set<string> | "all">;
  /** The list of a lead in one of the lead tables. */
  listOf(table: "vicidial_list" | "vicidial_list_archive", leadId: number): Promise<string | undefined>;
  noteApiCall(call: ApiCall): Promise<void>;
  /** A line in the log where administrators look. */
  noteMove(code: string, notes: string): Promise<void>;
}

/** Failed logins that lock a user, and for how long. */
const lockAfter = 10;

type WithReader = <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>;

export function createMariadbSite(withReader: WithReader): Site {
  /** The rows of a query; none where a table or a column is not there. */
  const rowsOf = (sql: string, values: unknown[]) =>
    withReader(async (connection) => {
      try {
        return (await connection.query<RowDataPacket[]>(sql, values))[0];
      } catch (error) {
        if (isAbsent(error)) return [];
        throw error;
      }
    });

  return {
    async callTime(id) {
      const [row] = await rowsOf("SELECT * FROM vicidial_call_times WHERE call_time_id = ?", [id]);
      if (!row) throw new Error(`VICIdial has no call time ${id}`);
      const names = String(row.ct_holidays ?? "")
        .split("|")
        .filter(Boolean);
      const holidays =
        names.length === 0
          ? []
          : await rowsOf(
              `SELECT DATE_FORMAT(holiday_date, '%Y-%m-%d') AS holiday_date, ct_default_start, ct_default_stop
                 FROM vicidial_call_time_holidays WHERE holiday_status = 'ACTIVE' AND holiday_id IN (?)`,
              [names],
            );
      const numbers = Object.entries(row).filter(([name]) => /^ct_\w+_(start|stop)$/.test(name));
      return scheduleOf(
        Object.fromEntries(numbers.map(([name, value]) => [name, Number(value)])) as CallTimeRow,
        holidays.map((holiday) => ({
          holiday_date: String(holiday.holiday_date),
          ct_default_start: Number(holiday.ct_default_start),
          ct_default_stop: Number(holiday.ct_default_stop),
        })) satisfies HolidayRow[],
      );
    },

    async user(name) {
      const [settings] = await rowsOf("SELECT pass_hash_enabled FROM system_settings LIMIT 1", []);
      if (Number(settings?.pass_hash_enabled ?? 0) > 0) return undefined;
      const [row] = await rowsOf(
        `SELECT *, failed_login_count >= ? AND last_login_date > NOW() - INTERVAL 15 MINUTE AS locked
           FROM vicidial_users WHERE user = ?`,
        [lockAfter, name],
      );
      return (
        row && {
          user: String(row.user),
          pass: String(row.pass),
          user_group: String(row.user_group),
          active: String(row.active),
          user_level: Number(row.user_level),
          modify_leads: String(row.modify_leads),
          vdc_agent_api_access: String(row.vdc_agent_api_access),
          api_allowed_functions: String(row.api_allowed_functions ?? ""),
          locked: Number(row.locked) === 1,
        }
      );
    },

    async noteLogin(user, right) {
      const count = right ? "0" : "failed_login_count + 1";
      const changed = right ? " AND failed_login_count > 0" : "";
      await rowsOf(
        `UPDATE vicidial_users SET failed_login_count = ${count}, last_login_date = NOW() WHERE user = ?${changed}`,
        [user],
      );
    },

    async allowedLists(userGroup) {
      const [group] = await rowsOf("SELECT allowed_campaigns FROM vicidial_user_groups WHERE user_group = ?", [
        userGroup,
      ]);
      const campaigns = String(group?.allowed_campaigns ?? "");
      if (/-ALL-CAMPAIGNS-/.test(campaigns)) return "all";
      const names = campaigns.split(/\s+/).filter((name) => name !== "" && name !== "-");
      if (names.length === 0) return new Set();
      const rows = await rowsOf("SELECT list_id FROM vicidial_lists WHERE campaign_id IN (?)", [names]);
      return new Set(rows.map(({ list_id }) => String(list_id)));
    },

    async listOf(table, leadId) {
      const [row] = await rowsOf(`SELECT list_id FROM ${table} WHERE lead_id = ?`, [leadId]);
      return row && String(row.list_id);
    },

    noteApiCall: (call) =>
      withReader(async (connection) => {
        const values = {
          user: call.user.slice(0, 20),
          api_script: "non-agent",
          function: call.function.slice(0, 20),
          value: call.value,
          result: call.result.slice(0, 10),
          result_reason: call.reason.slice(0, 255),
          source: call.source.slice(0, 20),
          data: call.data,
          run_time: call.seconds.toFixed(3),
        };
        const id = await insert(connection, "vicidial_api_log", values, "api_date");
        if (id === undefined) return;
        await insert(connection, "vicidial_api_urls", { api_id: id, remote_ip: "", url: call.url }, "api_date");
      }),

    noteMove: (code, notes) =>
      withReader(async (connection) => {
        const values = {
          user: "VDAD",
          ip_address: "1.1.1.1",
          event_section: "LISTS",
          event_type: "MODIFY",
          record_id: "leads",
          event_code: code,
          event_sql: "",
          event_notes: notes,
        };
        await insert(connection, "vicidial_admin_log", values, "event_date");
      }),
  };
}

const isAbsent = (error: unknown) =>
  ["ER_NO_SUCH_TABLE", "ER_BAD_FIELD_ERROR"].includes(String((error as { code?: unknown }).code));

/** Inserts a row with the server's own time; undefined where there is no such table. */
async function insert(
  connection: Connection,
  table: string,
  values: Record<string, string | number>,
  dateColumn: string,
): Promise<number | undefined> {
  try {
    const names = Object.keys(values).map((name) => `\`${name}\``);
    const [result] = await connection.query(
      `INSERT INTO ${table} (${names.join(", ")}, ${dateColumn}) VALUES (?, NOW())`,
      [Object.values(values)],
    );
    return (result as { insertId: number }).insertId;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
