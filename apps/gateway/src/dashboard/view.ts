import type { Links } from "./links.ts";
import type { Session } from "./sessions.ts";

/** The parts that every page needs beside its own content. */
export interface View {
  links: Links;
  /** Undefined before the sign-in. */
  session: Session | undefined;
  /** Milliseconds since 1970 UTC. */
  now: number;
  /** Addresses of the style sheet, the script and the icon, with a digest of their content. */
  assets: { style: string; script: string; icon: string };
}
