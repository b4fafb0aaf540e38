/** The profile of the demo records of Altcraft, in the resource of its subscriptions. */
export const demoProfile = { db_id: 1, resource_id: 26, profile_id: "507f1f77bcf86cd799439011" };

/** A subscription of the demo records that is deleted. */
export const demoSubscription = { ...demoProfile, channel: "email", email: "john@example.com" };
