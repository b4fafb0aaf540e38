export {
  type ApiAnswer,
  type ApiBody,
  type ApiDescription,
  type ApiRoute,
  assembleOpenApi,
} from "./document.ts";
export { type ErrorAnswer, writeErrors } from "./errors.ts";
export { type ExampleCall, type ExampleStyle, type Examples, toCurl } from "./examples.ts";
export type { CallLimits } from "./limits.ts";
export { createSchemaWriter, type Direction, type Json, type SchemaWriter } from "./schemas.ts";
