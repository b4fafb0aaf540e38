import { mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { leadTables, makeLead } from "@reinstate/vicidial/testing";
import mysql from "mysql2/promise";
import { expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";

test("VICIdial's own call is held against its lists by the address that the gateway sees", async () => {
  await using vicidial = await mariadbDatabase();
  await using database = sqliteDatabase();
  const connection = await mysql.createConnection({ uri: vicidial.url });
  const lead = makeLead(1);
  const columns = Object.keys(lead).map((name) => `\`${name}\``);
  for (const [statement, values] of [
    ...leadTables({ live: "MyISAM", archive: "MyISAM" }).map((statement) => [statement, []] as const),
    [`insert into vicidial_list_archive (${columns.join(", ")}) values (?)`, [Object.values(lead)]],
    [
      `create table vicidial_users as select '6666' as user, '1234' as pass, 'ADMIN' as user_group, 9 as user_level, 'Y' as active,
         '1' as modify_leads, '1' as vdc_agent_api_access, 'ALL_FUNCTIONS' as api_allowed_functions, 0 as failed_login_count,
         now() as last_login_date`,
      [],
    ],
    [
      `create table vicidial_user_groups as
         select 'ADMIN' as user_group, ' -ALL-CAMPAIGNS- - -' as allowed_campaigns, 'OFFICE' as api_ip_list`,
      [],
    ],
    ["create table system_settings as select '1' as allow_ip_lists", []],
    [
      "create table vicidial_ip_list_entries as select 'OFFICE' as ip_list_id, cast('10.9.9.9' as char(45)) as ip_address",
      [],
    ],
  ] as const) {
    await connection.query(statement, [...values]);
  }
  await using gateway = await startGateway({
    REINSTATE_DATABASE_URL: database.url,
    REINSTATE_VICIDIAL_URL: vicidial.url,
  });
  const query = "source=test&user=6666&pass=1234&function=lead_dearchive&lead_id=1";
  const ask = async () => (await fetch(`${gateway.baseUrl}/vicidial/non_agent_api.php?${query}`)).text();
  expect(await ask()).toBe("ERROR: Your IP Address is not allowed: 127.0.0.1: ||IPBLOCK|\n");
  await connection.query("update vicidial_ip_list_entries set ip_address = '127.0.0.x'");
  expect(await ask()).toBe("SUCCESS: lead_dearchive LEAD DE-ARCHIVED: 6666|1|1|1\n");
  await connection.end();
});
