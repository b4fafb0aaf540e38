export { readSettings, type Settings, type SettingsSource } from "./config.ts";
export { createGateway, type Gateway } from "./gateway.ts";
