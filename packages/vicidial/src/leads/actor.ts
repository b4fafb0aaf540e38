const prefix = "vicidial user ";

/** Returns the actor of a batch that a user of VICIdial asked for. */
export const toActor = (user: string) => `${prefix}${user}`;

/** Returns the user of VICIdial that asked for a batch; undefined for every other actor. */
export const findUser = (actor: string | null) => (actor?.startsWith(prefix) ? actor.slice(prefix.length) : undefined);
