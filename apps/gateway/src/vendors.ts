// One line per vendor: this is the line to add for another one (and its name among the dependencies).
export { altcraft } from "@reinstate/altcraft";
export { firstpromoter } from "@reinstate/firstpromoter";
export { vicidial } from "@reinstate/vicidial";
