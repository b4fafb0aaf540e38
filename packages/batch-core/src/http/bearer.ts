/** Returns the secret of `Authorization: Bearer …`; undefined without one. */
export function readBearer({ headers }: Request): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
}
