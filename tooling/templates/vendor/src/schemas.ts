import * as z from "zod";

// FILL: the vendor's ids, requests and replies, in its own words, with the page of its documents as the source.

/** The id of a widget. */
export const widgetId = z.int().min(1); // only with --ids integer
export const widgetId = z.string().regex(/^[\w-]{1,100}$/, "must be letters, digits, - and _"); // only with --ids string
/** The id of a widget. */
export type WidgetId = z.infer<typeof widgetId>;

/** The body of `POST /acme/widgets/restore` and `/delete`. */
export const idsRequest = z.strictObject({ ids: z.array(widgetId).min(1).max(10_000) });

/** A widget as the API shows it. Times are milliseconds since 1970 UTC. */
export const widgetReply = z.object({
  id: widgetId,
  title: z.string(),
  created_at: z.int(),
  updated_at: z.int(),
  deleted_at: z.int().nullable(),
});
/** A widget in a reply. */
export type WidgetReply = z.infer<typeof widgetReply>;

/** A page of widgets. `next`: the last id of the page if there are more. */
export const widgetPage = z.object({ widgets: z.array(widgetReply).max(1000), next: widgetId.nullable() });
/** A page of widgets. */
export type WidgetPage = z.infer<typeof widgetPage>;

/** The reply to a change: how many records changed, and the ids that are not there. */
export const changeReply = z.object({
  changed: z.int(),
  unchanged: z.int(),
  not_found: z.array(widgetId).max(10_000),
});
/** The reply to a change of widgets. */
export type ChangeReply = z.infer<typeof changeReply>;

/** A line of an import. */
export const importedWidget = z.object({
  id: widgetId,
  title: z.string().max(255),
  deleted_at: z.int().min(0).nullable().default(null),
});
