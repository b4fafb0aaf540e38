import * as z from "zod";

const name = z.string().regex(/^[a-zA-Z0-9._-]+$/);
/** A number of seconds or minutes, such as `30s`. */
const duration = z.string().regex(/^(\d+(us|ms|s|m|h))+$/);
/** Environment variables by name. YAML reads `20` and `true` as no text, which some versions of compose refuse. */
const environment = z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string());

const healthCheck = z.strictObject({
  test: z.tuple([z.enum(["CMD", "CMD-SHELL"])], z.string()),
  interval: duration,
  timeout: duration,
  retries: z.int().min(1),
  start_period: duration.optional(),
});

const service = z
  .strictObject({
    build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
    image: z.string().regex(/^[a-z0-9./-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/),
    restart: z.enum(["no", "always", "on-failure", "unless-stopped"]),
    read_only: z.boolean().optional(),
    cap_drop: z.array(z.string().regex(/^[A-Z_]+$/)).optional(),
    security_opt: z.array(z.string()).optional(),
    stop_grace_period: duration.optional(),
    ports: z.array(z.string().regex(/^(\d+\.\d+\.\d+\.\d+:)?\d+:\d+$/)).optional(),
    volumes: z.array(z.string().regex(/^[a-z][\w-]*:\/[^:]+(:ro)?$/)).optional(),
    tmpfs: z.array(z.string().startsWith("/")).optional(),
    environment: environment.optional(),
    secrets: z.array(name).optional(),
    depends_on: z
      .record(
        name,
        z.strictObject({
          condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]),
        }),
      )
      .optional(),
    healthcheck: healthCheck.optional(),
  })
  .refine(({ build, image }) => build !== undefined || image.includes(":"), "An image that is not built needs a tag");

/** The part of the Compose Specification that our file may use. Unknown keys are faults. */
export const composeSchema = z
  .strictObject({
    name,
    services: z.record(name, service),
    volumes: z.record(name, z.strictObject({})),
    secrets: z.record(name, z.strictObject({ file: z.string().startsWith("./") })),
  })
  .superRefine(({ services }, context) => {
    for (const [from, { depends_on = {} }] of Object.entries(services)) {
      for (const [to, { condition }] of Object.entries(depends_on)) {
        // Compose starts nothing if it waits for the health of a service that has no check. An image may bring its own.
        if (condition !== "service_healthy" || services[to]?.healthcheck || services[to]?.build) continue;
        const path = ["services", from, "depends_on", to];
        context.addIssue({ code: "custom", path, message: `${to} has no healthcheck` });
      }
    }
  });
