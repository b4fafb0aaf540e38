// One line per vendor: this is the line to add for another one (and its name among the dependencies).
export const altcraft = () => import("@reinstate/altcraft");
export const firstpromoter = () => import("@reinstate/firstpromoter");
export const vicidial = () => import("@reinstate/vicidial");
