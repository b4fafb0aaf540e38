import { createHash, timingSafeEqual } from "node:crypto";
import type { RowDataPacket } from "mysql2/promise";
import type { LoginAttempt, LoginRefusal, VicidialUser } from "../dialer-tables.ts";

/** Failed logins that lock a user. The lock ends 15 minutes after the last login that was dated. */
const lockAfter = 10;
const locked = `COALESCE(failed_login_count >= ${lockAfter} AND last_login_date >= NOW() - INTERVAL 15 MINUTE, 0)`;
/** The user level that every call of VICIdial's API needs. A function may need a higher one. */
const minUserLevel = 7;

/** Returns the rows of a query, or none if a table or a column does not exist. */
export type ReadRows = (sql: string, values: unknown[]) => Promise<RowDataPacket[]>;

/**
 * Authenticates a user of a VICIdial database and counts the attempt, as VICIdial does. Returns the user or the reason of the
 * refusal. Refuses every user if passwords are stored as VICIdial's own hashes, which cannot be checked here.
 */
export function createLogin(readRows: ReadRows): (attempt: LoginAttempt) => Promise<VicidialUser | LoginRefusal> {
  return async ({ user, pass, address }) => {
    if (user === "") return "BAD";
    const [settings = {} as RowDataPacket] = await readRows("SELECT * FROM system_settings LIMIT 1", []);
    if (isOn(settings.pass_hash_enabled)) return "BAD";
    const [row] = await readRows(`SELECT *, ${locked} AS locked FROM vicidial_users WHERE user = ?`, [user]);
    if (!row) return "BAD";
    if (isOn(row.locked)) return recordFailure(row, "LOCK", address);
    const isPassword = pass !== "" && isEqual(String(row.pass), pass);
    if (!isPassword || row.active !== "Y" || Number(row.user_level) < minUserLevel) {
      await updateUnlessLocked(
        row,
        `last_login_date = IF(failed_login_count >= ${lockAfter}, NOW(), last_login_date),
         failed_login_count = IF(failed_login_count >= ${lockAfter}, 1, failed_login_count + 1)`,
      );
      return recordFailure(row, "BAD", address);
    }
    if (isOn(settings.allow_ip_lists) && !isOn(row.ignore_ip_list)) {
      if (!(await isAllowedAddress(address, settings.system_ip_blacklist, String(row.user_group)))) {
        return recordFailure(row, "IPBLOCK", address);
      }
    }
    const success = "last_login_date = NOW(), failed_login_count = 0";
    if (row.last_ip === undefined) await updateUnlessLocked(row, success);
    else await updateUnlessLocked(row, `${success}, last_ip = ?`, address ?? "");
    if (needsSecondFactor(settings, row) && !(await hasSecondFactor(user))) return "2FA";
    return {
      user: String(row.user),
      user_group: String(row.user_group),
      active: String(row.active),
      user_level: Number(row.user_level),
      modify_leads: String(row.modify_leads),
      vdc_agent_api_access: String(row.vdc_agent_api_access),
      api_allowed_functions: String(row.api_allowed_functions ?? ""),
    };
  };

  /** Changes the user's row, unless parallel attempts have locked the user meanwhile. */
  function updateUnlessLocked({ user }: RowDataPacket, changes: string, ...values: unknown[]): Promise<unknown> {
    return readRows(`UPDATE vicidial_users SET ${changes} WHERE user = ? AND NOT ${locked}`, [...values, user]);
  }

  /**
   * Counts a failed attempt in the columns for today, which VICIdial has since 2022. `failed_login_count_today` counts only the
   * attempts that count towards the lock.
   */
  async function recordFailure({ user }: RowDataPacket, refusal: LoginRefusal, address = ""): Promise<LoginRefusal> {
    await readRows(
      `UPDATE vicidial_users SET failed_login_attempts_today = COALESCE(failed_login_attempts_today, 0) + 1,
         failed_login_count_today = COALESCE(failed_login_count_today, 0) + ?,
         failed_last_ip_today = ?, failed_last_type_today = ? WHERE user = ?`,
      [refusal === "BAD" ? 1 : 0, address, `a${refusal}`, user],
    );
    return refusal;
  }

  /** Returns true if the address may log in. A list that cannot be read refuses it. */
  async function isAllowedAddress(address: string | undefined, refused: unknown, userGroup: string): Promise<boolean> {
    const [group] = await readRows("SELECT * FROM vicidial_user_groups WHERE user_group = ?", [userGroup]);
    const allowed = group?.api_ip_list;
    if (isList(refused) && (await isListed(refused, address)) !== false) return false;
    return !isList(allowed) || (await isListed(allowed, address)) === true;
  }

  /** Returns undefined if the address is unknown or the list cannot be read. */
  async function isListed(list: string, address: string | undefined): Promise<boolean | undefined> {
    if (address === undefined) return undefined;
    const classC = address.replace(/\.\d+$/, ".x");
    const [found] = await readRows(
      "SELECT COUNT(*) AS entries FROM vicidial_ip_list_entries WHERE ip_list_id = ? AND ip_address IN (?, ?)",
      [list, address, classC],
    );
    return found && isOn(found.entries);
  }

  async function hasSecondFactor(user: string): Promise<boolean> {
    const [found] = await readRows(
      `SELECT COUNT(*) AS valid FROM vicidial_two_factor_auth
        WHERE user = ? AND auth_stage = '1' AND auth_exp_date > NOW()`,
      [user],
    );
    return isOn(found?.valid);
  }
}

/** Reads a flag that is a number or a numeric text. A missing flag is off. */
const isOn = (value: unknown) => Number(value ?? 0) > 0;

const isList = (name: unknown): name is string => typeof name === "string" && name.length > 1;

function needsSecondFactor(settings: RowDataPacket, row: RowDataPacket): boolean {
  const container = settings.two_factor_container ?? "";
  return (
    isOn(settings.two_factor_auth_hours) &&
    container !== "" &&
    container !== "---DISABLED---" &&
    row.two_factor_override !== "DISABLED"
  );
}

/** Compares in constant time. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
