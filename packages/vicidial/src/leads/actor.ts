const prefix = "vicidial user ";

/** Returns the actor of a batch that a VICIdial user submitted. */
export const toActor = (user: string) => `${prefix}${user}`;

/** Returns the VICIdial user of an actor, or undefined for every other actor. */
export const findUser = (actor: string | null) => (actor?.startsWith(prefix) ? actor.slice(prefix.length) : undefined);
