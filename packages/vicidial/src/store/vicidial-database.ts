import type { Schedule } from "../office-hours/office-hours.ts";

/** A call of VICIdial's own API by somebody who was let in, for its log. */
export interface ApiCall {
  user: string;
  agentUser: string;
  function: string;
  result: string;
  reason: string;
  source: string;
  data: string;
  seconds: number;
  /** What was asked, whole, without a password. */
  url: string;
  address: string | undefined;
}

/** What of a VICIdial database lies around the lead tables. A table that is not there holds nothing. */
export interface VicidialDatabase {
  /** Throws where there is no call time with this id. */
  callTime(id: string): Promise<Schedule>;
  /** Reports whether names keep the letters of every script, `use_non_latin` of VICIdial's settings. */
  usesNonLatin(): Promise<boolean>;
  /** Lets a user in, or says why not; counts the attempt. */
  login(attempt: LoginAttempt): Promise<SiteUser | LoginRefusal>;
  /** The lists of the campaigns that a user group may see; `all` where it may see every one. */
  allowedLists(userGroup: string): Promise<Set<string> | "all">;
  /** Returns the list of a lead in one of the lead tables; undefined without the lead. Throws without the table. */
  listOf(table: "vicidial_list" | "vicidial_list_archive", leadId: number): Promise<string | undefined>;
  logApiCall(call: ApiCall): Promise<void>;
  /** Adds a row to the log of administrators. Without a `user`, the row has the user of VICIdial's own scripts. */
  logMove(entry: { code: string; notes: string; user?: string | undefined }): Promise<void>;
}

/** A user of VICIdial, as its own API looks at one. Flags and levels as VICIdial keeps them. */
export interface SiteUser {
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
  /** Where the call comes from; undefined where nobody can tell. */
  address: string | undefined;
}

/** Why a user is not let in, in VICIdial's words: a wrong login, too many of them, the address, the second factor. */
export type LoginRefusal = "BAD" | "LOCK" | "IPBLOCK" | "2FA";
