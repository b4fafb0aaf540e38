import { hostname } from "node:os";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { VicidialDatabaseFault } from "../../leads/move-errors.ts";
import { type CallTimeRow, type HolidayRow, toSchedule } from "../../office-hours/call-times.ts";
import type { DialerTables } from "../dialer-tables.ts";
import { createLogin, type ReadRows } from "./login.ts";

type WithReader = <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>;

/** Opens the tables of a VICIdial database other than the lead tables. */
export function createDialerTables(withReader: WithReader): DialerTables {
  const readRows: ReadRows = (sql, values) => withReader((connection) => readExisting(connection, sql, values));

  return {
    async callTime(id) {
      const [row] = await readRows("SELECT * FROM vicidial_call_times WHERE call_time_id = ?", [id]);
      if (!row) throw new VicidialDatabaseFault(`VICIdial has no call time ${id}; check the option callTime`);
      const names = String(row.ct_holidays ?? "")
        .split("|")
        .filter(Boolean);
      const holidays =
        names.length === 0
          ? []
          : await readRows(
              `SELECT DATE_FORMAT(holiday_date, '%Y-%m-%d') AS holiday_date, ct_default_start, ct_default_stop
                 FROM vicidial_call_time_holidays WHERE holiday_status = 'ACTIVE' AND holiday_id IN (?)`,
              [names],
            );
      const numbers = Object.entries(row).filter(([name]) => /^ct_\w+_(start|stop)$/.test(name));
      return toSchedule(
        Object.fromEntries(numbers.map(([name, value]) => [name, Number(value)])) as CallTimeRow,
        holidays.map((holiday) => ({
          holiday_date: String(holiday.holiday_date),
          ct_default_start: Number(holiday.ct_default_start),
          ct_default_stop: Number(holiday.ct_default_stop),
        })) satisfies HolidayRow[],
      );
    },

    async usesNonLatin() {
      const [settings] = await readRows("SELECT use_non_latin FROM system_settings LIMIT 1", []);
      return Number(settings?.use_non_latin ?? 0) > 0;
    },

    login: createLogin(readRows),

    async allowedLists(userGroup) {
      const [group] = await readRows("SELECT allowed_campaigns FROM vicidial_user_groups WHERE user_group = ?", [
        userGroup,
      ]);
      const campaigns = String(group?.allowed_campaigns ?? "");
      if (/-ALL-CAMPAIGNS-/.test(campaigns)) return "all";
      const names = campaigns.split(/\s+/).filter((name) => name !== "" && name !== "-");
      if (names.length === 0) return new Set();
      const rows = await readRows("SELECT list_id FROM vicidial_lists WHERE campaign_id IN (?)", [names]);
      return new Set(rows.map(({ list_id }) => String(list_id)));
    },

    // Not by `readRows`: if a lead table does not exist, the query must fail instead of reporting no lead.
    findListId: (table, leadId) =>
      withReader(async (connection) => {
        const sql = `SELECT list_id FROM ${table} WHERE lead_id = ?`;
        const [rows] = await connection.query<RowDataPacket[]>(sql, [leadId]);
        return rows[0] && String(rows[0].list_id);
      }),

    logApiCall: (call) =>
      withReader(async (connection) => {
        const columns = await readExisting(connection, "SHOW COLUMNS FROM vicidial_api_log", []);
        const has = (name: string) => columns.some(({ Field }) => Field === name);
        const { origin, pathname, hostname: webserver } = new URL(call.url);
        const server = { webserver: webserver.slice(0, 125), hostname: hostname().slice(0, 125) };
        const page = { url: (origin + pathname).slice(0, 333) };
        const id = await insert(connection, "vicidial_api_log", "api_date", {
          user: call.user.slice(0, 20),
          agent_user: call.agentUser.slice(0, 20),
          api_script: "non-agent",
          function: call.function.slice(0, 20),
          value: "",
          result: call.result.slice(0, 10),
          result_reason: call.reason.slice(0, 255),
          source: call.source.slice(0, 20),
          data: call.data,
          run_time: call.seconds.toFixed(3),
          ...(has("webserver") && {
            webserver: await findId(connection, "vicidial_webservers", "webserver_id", server),
          }),
          ...(has("api_url") && { api_url: await findId(connection, "vicidial_urls", "url_id", page) }),
        });
        if (id === undefined) return;
        const from = { api_id: id, remote_ip: (call.address ?? "").slice(0, 50), url: call.url };
        await insert(connection, "vicidial_api_urls", "api_date", from);
      }),

    logMove: ({ code, notes, user = "VDAD" }) =>
      withReader(async (connection) => {
        await insert(connection, "vicidial_admin_log", "event_date", {
          user: user.slice(0, 20),
          ip_address: "1.1.1.1",
          event_section: "LISTS",
          event_type: "MODIFY",
          record_id: "leads",
          event_code: code,
          event_sql: "",
          event_notes: notes,
        });
      }),
  };
}

const isAbsent = (error: unknown) =>
  ["ER_NO_SUCH_TABLE", "ER_BAD_FIELD_ERROR"].includes(String((error as { code?: unknown }).code));

/** Returns the rows of a query, or none if a table or a column does not exist. */
async function readExisting(connection: Connection, sql: string, values: unknown[]): Promise<RowDataPacket[]> {
  try {
    return (await connection.query<RowDataPacket[]>(sql, values))[0];
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

type Values = Record<string, string | number>;

/** Inserts a row with the server's time. Returns its id, or undefined if the table does not exist. */
async function insert(
  connection: Connection,
  table: string,
  dateColumn: string,
  values: Values,
): Promise<number | undefined> {
  const names = Object.keys(values).map((name) => `\`${name}\``);
  try {
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

/** Returns the id of a row that all calls share, and inserts it if needed. Returns 0, as VICIdial does, if the table does not exist. */
async function findId(connection: Connection, table: string, idColumn: string, values: Values): Promise<number> {
  const names = Object.keys(values);
  const find = async () => {
    const equal = names.map((name) => `${name} = ?`).join(" AND ");
    const [row] = await readExisting(
      connection,
      `SELECT ${idColumn} AS id FROM ${table} WHERE ${equal} LIMIT 1`,
      Object.values(values),
    );
    return row && Number(row.id);
  };
  const known = await find();
  if (known !== undefined) return known;
  // Another call may have inserted it meanwhile.
  await readExisting(
    connection,
    `INSERT INTO ${table} (${names.join(", ")}) VALUES (?) ON DUPLICATE KEY UPDATE ${idColumn} = ${idColumn}`,
    [Object.values(values)],
  );
  return (await find()) ?? 0;
}
