import { randomBytes } from "node:crypto";
import type { Key } from "@reinstate/batch-core";

/** Links that sign in without a key, each once. They live in this process only. */
export interface SignInLinks {
  /** Returns the token of a new link. */
  create(key: Key): string;
  /** Returns the key of a link and uses the link up. */
  use(token: string): Key | undefined;
}

const maxLinks = 100;

export function createSignInLinks(): SignInLinks {
  const keys = new Map<string, Key>();
  return {
    create(key) {
      if (keys.size >= maxLinks) keys.clear();
      const token = randomBytes(24).toString("base64url");
      keys.set(token, key);
      return token;
    },
    use(token) {
      const key = keys.get(token);
      keys.delete(token);
      return key;
    },
  };
}
