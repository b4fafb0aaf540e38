import { randomUUID } from "node:crypto";
import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import { getDialect } from "./dialect.ts";

export const migrations: Parameters<Database["migrate"]>[1] = {
  async "0001_subscriptions"(db, { dialect, types }) {
    const { word } = types;
    const { clustered } = getDialect({ dialect });
    for (const statement of [
      ...subscriptionTables(word, clustered),
      ...consentTables(word, clustered, types.identity),
    ]) {
      await statement.execute(db);
    }
    await sql`insert into altcraft_installation (id) values (${randomUUID()})`.execute(db);
  },
};

const subscriptionTables = (word: RawBuilder<unknown>, clustered: RawBuilder<unknown>) => [
  sql`create table altcraft_profiles (
    db_id bigint not null,
    profile_id ${word} not null,
    primary key (db_id, profile_id)
  ) ${clustered}`,
  sql`create table altcraft_resources (
    resource_id bigint primary key,
    cats text
  )`,
  sql`create table altcraft_subscriptions (
    db_id bigint not null,
    profile_id ${word} not null,
    resource_id bigint not null,
    channel ${word} not null,
    address ${word} not null,
    fields text not null,
    hash_id text not null,
    status integer not null,
    priority bigint,
    custom_fields text not null,
    cats text not null,
    date text,
    ip text,
    url text,
    is_delete integer not null,
    deleted_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (db_id, profile_id, resource_id, channel, address)
  ) ${clustered}`,
  sql`create index altcraft_subscriptions_resource on altcraft_subscriptions (resource_id, profile_id)`,
  sql`create index altcraft_subscriptions_address on altcraft_subscriptions (db_id, channel, address)`,
  sql`create index altcraft_subscriptions_hash on altcraft_subscriptions (db_id, hash_id)`,
  sql`create index altcraft_subscriptions_deleted
    on altcraft_subscriptions (db_id, profile_id, resource_id, channel, address) where is_delete = 1`,
];

const consentTables = (word: RawBuilder<unknown>, clustered: RawBuilder<unknown>, identity: RawBuilder<unknown>) => [
  sql`create table altcraft_suppressions (
    channel ${word} not null,
    address ${word} not null,
    created_at bigint not null,
    primary key (channel, address)
  ) ${clustered}`,
  sql`create table altcraft_erased (
    digest ${word} primary key,
    erased_at bigint not null,
    actor text,
    reason text not null
  ) ${clustered}`,
  sql`create table altcraft_installation (id text not null)`,
  sql`create table altcraft_consent_log (
    id ${identity},
    at bigint not null,
    action text not null,
    channel ${word},
    subject ${word} not null,
    actor text,
    reason text,
    requested_by text
  )`,
  sql`create index altcraft_consent_log_subject on altcraft_consent_log (subject, channel, id)`,
];
