import { isStorageFault, isTransient, ReinstateError } from "@reinstate/batch-core";
import {
  AllOrNothingRefused,
  MoveRefused,
  RetryableMove,
  TablesDamaged,
  VicidialDatabaseFault,
} from "../../leads/move-errors.ts";
import { TablesAltered } from "./locks.ts";
import { MoveBroken } from "./move.ts";
import { archive, live } from "./names.ts";

/** True if the tables may no longer match the plan. */
export const isAltered = (error: unknown) =>
  error instanceof TablesAltered ||
  ["ER_BAD_FIELD_ERROR", "ER_NO_SUCH_TABLE", "ER_KEY_DOES_NOT_EXITS"].includes(
    String((error as { code?: unknown }).code),
  );

/** True if a table must be repaired. */
const isDamage = (error: unknown): boolean => {
  const { code, cause, sqlMessage } = (error ?? {}) as { code?: string; cause?: unknown; sqlMessage?: string };
  if (/^(ER_NOT_KEYFILE|(ER|HA_ERR)_(CRASHED|CRASHED_ON_USAGE|CRASHED_ON_REPAIR|WRONG_IN_RECORD))$/.test(code ?? "")) {
    return true;
  }
  return (
    /\b(12[67]|14[45])\b.*storage engine|marked as crashed/i.test(sqlMessage ?? "") || (cause ? isDamage(cause) : false)
  );
};

/** Returns the error for the caller by what happened to the leads: refused, not moved, or unknown. */
export function afterMove(error: unknown): unknown {
  const broken = error instanceof MoveBroken;
  const reason = readable(broken ? error.cause : error);
  const { message } = reason as Error;
  if (TablesDamaged.is(reason) || AllOrNothingRefused.is(reason)) return reason;
  if (isDamage(broken ? error.cause : reason)) {
    return new TablesDamaged(message, broken && error.written);
  }
  if (MoveRefused.is(reason) || (broken && error.written)) return reason;
  if (isTransient(reason)) return new RetryableMove(message, { cause: reason });
  const { cause } = reason as { cause?: { sqlMessage?: unknown } };
  const isRejected = cause?.sqlMessage !== undefined && !isStorageFault(reason);
  return isRejected ? new MoveRefused(message, { cause: reason }) : reason;
}

/** True for codes of SQLite and PostgreSQL, which are faults of the ledger. */
const isFromLedger = (code: string) => code.startsWith("ERR_SQLITE") || /^(?=.*\d)[0-9A-Z]{5}$/.test(code);

/** Returns an error whose message can be shown to a caller, without account, address or text of the server. `cause` has the details. */
export function readable(error: unknown): unknown {
  const { code, sqlMessage, fatal } = error as { code?: string; sqlMessage?: string; fatal?: boolean };
  if (MoveRefused.is(error) || ReinstateError.is(error) || AllOrNothingRefused.is(error)) return error;
  // The driver rejects a statement on a connection that the server has ended, without a code.
  if (code === undefined && fatal) return new ReinstateError("transient", "The VICIdial database ended the connection");
  if (code === undefined || isFromLedger(code)) return error;
  const fault = (text: string) => new VicidialDatabaseFault(`${text} (${code})`, { cause: error });
  if (code === "ER_LOCK_WAIT_TIMEOUT") return fault("The VICIdial tables are busy");
  if (/ACCESS_DENIED|BAD_DB/.test(code)) return fault("Access to the VICIdial database was denied");
  if (isStorageFault(error)) return fault("The VICIdial database cannot store anything at the moment");
  if (isDamage(error)) {
    const table = new RegExp(`${archive}|${live}`).exec(sqlMessage ?? "")?.[0] ?? "A table of the VICIdial database";
    return fault(`${table} is damaged; run REPAIR TABLE`);
  }
  if (code.startsWith("HANDSHAKE_")) return fault("The VICIdial database offers no connection that ssl-mode accepts");
  if (sqlMessage !== undefined) return fault("The VICIdial database rejected a statement; see the server log");
  return fault(isTransient(error) ? "The VICIdial database cannot be reached" : "The VICIdial database cannot be used");
}
