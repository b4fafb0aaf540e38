/** Renders a part of a page from the words after its kind. */
export type RenderPart = (words: readonly string[]) => string;

/**
 * Returns a page with its generated parts rendered anew. A part stands between `<!-- KIND: WORDS -->` and `<!-- end -->`.
 *
 * @throws Error for a kind without a renderer
 * @example renderParts("<!-- sum: 1 2 -->\n<!-- end -->", { sum: ([a, b]) => String(Number(a) + Number(b)) })
 */
export function renderParts(page: string, renderers: Readonly<Record<string, RenderPart>>): string {
  return page.replaceAll(
    /(<!-- (\w+): (.+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, kind: string, words: string, end: string) => {
      const render = renderers[kind];
      if (render === undefined) throw new Error(`No renderer for ${kind}: ${words}`);
      return `${start}\n${render(words.split(" "))}\n${end}`;
    },
  );
}
