/** The style sheet of the reference. */
export const docsCss = `:root { color-scheme: light dark; --line: #c9ced6; --link: #0b57a4; --text: #1c2430; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d4652; --link: #8ec5ff; --text: #e7ebf0; --page: #14181d; } }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
header, main, .calls { max-width: 1420px; margin: 0 auto; padding: 1rem 20px; }
header { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: baseline; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
nav a { margin-right: 1rem; }
header a, main a, .calls a { color: var(--link); }
.calls ul { list-style: none; margin: 0; padding: 0; }
.calls li { padding: .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
main code, .calls code { font: .875rem/1.5 ui-monospace, monospace; margin-right: .75rem; }
main dt { font-weight: 600; }
main dd { margin: 0 0 .5rem; }
`;

/** The script that starts Swagger UI. A file of its own, because the content security policy forbids inline scripts. */
export const docsScript = `const place = document.getElementById("swagger-ui");
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
follow();
dark.addEventListener("change", follow);
SwaggerUIBundle({
  url: place.dataset.url,
  domNode: place,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  requestSnippetsEnabled: true,
});
`;
