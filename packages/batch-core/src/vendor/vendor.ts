import type * as z from "zod";
import type { Host } from "../host.ts";
import type { NewKey } from "../keys/keys.ts";
import type { CallLimits } from "../openapi/limits.ts";
import type { AnyOperation } from "../operation/operation.ts";
import type { InspectOptions, VendorInspection } from "./inspection.ts";

/** A running vendor: the result of `create…(host, options)` of its package. */
export interface VendorInstance {
  /** The vendor's own HTTP API, at the vendor's own paths. `env`: the server's data beside the request. */
  routes: { fetch(request: Request, env?: object): Response | Promise<Response> };
  operations: AnyOperation[];
  /** Whether an account has records. Present if the vendor has accounts. */
  hasAccount?(account: string): Promise<boolean>;
  /** Rejects while the vendor cannot work, for example because its own database is unavailable. */
  ready?(): Promise<void>;
  /**
   * Inspects the systems that the vendor package works on, for operators. A target that cannot be reached is part of the result.
   * `createInspector` asks it at most once in 30 seconds, and waits for 2 seconds.
   */
  inspect?(options?: InspectOptions): Promise<VendorInspection>;
  /** Stops background tasks and the waits of chunks in progress. Called before the host is closed. */
  closing?(): Promise<void>;
  /** Frees resources that chunks in progress may need until their end. Called after the host was closed. */
  close?(): Promise<void>;
}

/** Settings of the gateway that every vendor may need. */
export interface CommonSettings {
  /** IANA name. */
  timeZone: string;
}

/** The format of a file to import. */
export type ImportFormat = "ndjson" | "csv";

/** One import of a file. */
export interface ImportRequest {
  format: ImportFormat;
  /** Empty if the vendor has no accounts. */
  account: string;
  /** The vendor's own options, as `VendorImport.options` reads them. */
  options: Readonly<Record<string, unknown>>;
  /** Called for each rejected line; `line` counts from 1. */
  onRefused(refused: { line: number; message: string }): void;
}

/** The import of a vendor's records from a file. */
export interface VendorImport<Instance extends VendorInstance = VendorInstance> {
  formats: readonly ImportFormat[];
  /** Its own options: the property `channel` is `--channel` on the command line, with its description as the help. */
  options?: z.ZodObject<z.ZodRawShape>;
  /**
   * Fills the vendor's tables from a stream of records, in sets. A line that cannot be imported is reported and skipped; what is
   * wrong with the whole stream is thrown. `readRecords` reads the lines.
   */
  run(host: Host, instance: Instance, source: AsyncIterable<Uint8Array>, request: ImportRequest): Promise<ImportCounts>;
}

/** The number of imported and of rejected lines. */
export interface ImportCounts {
  imported: number;
  refused: number;
}

/** Everything that the gateway needs to serve a vendor. */
export interface Vendor<Settings = unknown, Instance extends VendorInstance = VendorInstance> {
  /** As in settings, operations and keys: `firstpromoter`. */
  name: string;
  label: string;
  /** Every key and every record of this vendor belongs to an account. */
  accounts?: boolean;
  /** The schema of the options of a key. Every value arrives as a string. */
  keyOptions?: z.ZodObject<z.ZodRawShape>;
  /** The beginnings of the paths that its routes answer, without a slash at the end. */
  paths: string[];
  /**
   * Its settings: the property `leadLimit` of the vendor `vicidial` is the variable `REINSTATE_VICIDIAL_LEAD_LIMIT`. Every
   * value arrives as a string.
   */
  settings: z.ZodObject<z.ZodRawShape> & z.ZodType<Settings>;
  /**
   * Must not reject because the vendor's own database is away: the other vendors would not start either. Until it is back, `ready`
   * rejects and the routes answer 503 in the vendor's form.
   */
  create(host: Host, settings: Settings, common: CommonSettings): Promise<Instance>;
  import?: VendorImport<Instance>;
  /** Returns the OpenAPI 3.1 document of the routes that are served with these settings. `limits`: those of every call of the server. */
  openApi?(settings: Settings, limits?: CallLimits): Record<string, unknown>;
  demo: {
    keys: (NewKey & { secret: string })[];
    /** Fills empty tables with the demo records, once; never a real vendor's database. */
    load(host: Host, instance: Instance): Promise<void>;
    /** A call that restores something, as a line of shell. */
    curl(baseUrl: string): string;
  };
}

/**
 * Declares a vendor for the gateway. Returns it unchanged, with its settings and instance typed.
 *
 * @example export const zendesk = defineVendor({ name: "zendesk", label: "Zendesk", paths: ["/api/v2"], … });
 */
export function defineVendor<Settings, Instance extends VendorInstance>(
  vendor: Vendor<Settings, Instance>,
): Vendor<Settings, Instance> {
  return vendor;
}
