import type { NewWidget } from "./store/store.ts";

let made = 0;

/** Makes a widget for a test: live, with an id of its own. */
export function makeWidget(given: Partial<NewWidget> = {}): NewWidget {
  made++;
  return {
    id: made, // only with --ids integer
    id: `widget-${made}`, // only with --ids string
    title: `Widget ${made}`,
    deleted_at: null,
    ...given,
  };
}
