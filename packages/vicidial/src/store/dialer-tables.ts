import type { Schedule } from "../office-hours/office-hours.ts";

/** A call of VICIdial's non-agent API by an authenticated user, for VICIdial's log. */
export interface ApiCall {
  user: string;
  agentUser: string;
  function: string;
  result: string;
  reason: string;
  source: string;
  data: string;
  seconds: number;
  /** The full URL of the call, with passwords masked. */
  url: string;
  address: string | undefined;
}

/** Access to VICIdial tables other than the lead tables. A missing table counts as empty. */
export interface DialerTables {
  /** Returns the schedule of a call time. Rejects if no call time has this id. */
  callTime(id: string): Promise<Schedule>;
  /** Returns `use_non_latin` of VICIdial's settings: true if names keep the letters of every script. */
  usesNonLatin(): Promise<boolean>;
  /** Authenticates a user and counts the attempt. Returns the user or the reason of the refusal. */
  login(attempt: LoginAttempt): Promise<VicidialUser | LoginRefusal>;
  /** Returns the lists of the campaigns that a user group may see, or `all`. */
  allowedLists(userGroup: string): Promise<Set<string> | "all">;
  /** Returns the list of a lead in one of the lead tables, or undefined if it is not there. Rejects if the table does not exist. */
  findListId(table: "vicidial_list" | "vicidial_list_archive", leadId: number): Promise<string | undefined>;
  /** Adds a row to `vicidial_api_log`. */
  logApiCall(call: ApiCall): Promise<void>;
  /** Adds a row to `vicidial_admin_log`. The default `user` is that of VICIdial's own scripts. */
  logMove(entry: { code: string; notes: string; user?: string | undefined }): Promise<void>;
}

/** The fields of a VICIdial user that its non-agent API checks, as VICIdial stores them. */
export interface VicidialUser {
  user: string;
  user_group: string;
  active: string;
  user_level: number;
  modify_leads: string;
  vdc_agent_api_access: string;
  api_allowed_functions: string;
}

export interface LoginAttempt {
  user: string;
  pass: string;
  /** The address of the caller, or undefined if it is unknown. */
  address: string | undefined;
}

/** Why a login is refused, in VICIdial's words: wrong login, too many attempts, address, second factor. */
export type LoginRefusal = "BAD" | "LOCK" | "IPBLOCK" | "2FA";
