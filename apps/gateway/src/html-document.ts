import { html } from "hono/html";

type Html = ReturnType<typeof html>;

/** The parts of an HTML document. Every address is a path of this server. */
export interface HtmlDocument {
  title: string | Html;
  icon: { href: string | Html; type?: string };
  styles: readonly (string | Html)[];
  /** Further elements of the head. */
  head?: Html | undefined;
  body: Html;
}

/** Renders an HTML document. All pages of the gateway share its head. */
export function renderDocument({ title, icon, styles, head, body }: HtmlDocument): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${icon.href}"${icon.type ? html` type="${icon.type}"` : ""}>
${styles.map((href) => html`<link rel="stylesheet" href="${href}">\n`)}${head ?? ""}
</head>
<body>
${body}
</body>
</html>
`;
}
