/** Makes the error for items that cannot be read: the fault, what to do, and the reason. */
export type ItemFault = (what: string, fix: string, why?: string) => Error;
