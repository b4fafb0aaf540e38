import { altcraftHttp } from "./altcraft-http.ts";
import { table } from "./report.ts";
process.stdout.write(`${table([...(await altcraftHttp(Number(process.argv[2])))])}\n`);
