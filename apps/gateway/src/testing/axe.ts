import AxeBuilder from "@axe-core/playwright";
import type { Page } from "playwright-core";

/** Makes the builder inject nothing. */
const nothing = ";";

export interface AxeOptions {
  /** Only rules of these tags, such as `cat.color`. */
  tags?: string[];
  /** Rules that are left out. */
  without?: string[];
}

/** A rule that a page breaks, with the first places. */
export interface Violation {
  id: string;
  places: unknown[];
}

/**
 * Returns what axe finds wrong with a loaded page. The first call injects axe, later ones on the same document reuse it, because that
 * costs more than the rules. The context of the page must bypass the policy.
 */
export async function findViolations(page: Page, { tags, without }: AxeOptions = {}): Promise<Violation[]> {
  const hasAxe = await page.evaluate("typeof window.axe === 'object'");
  const axe = new AxeBuilder(hasAxe ? { page, axeSource: nothing } : { page });
  axe.setLegacyMode().options({ resultTypes: ["violations"] });
  if (tags) axe.withTags(tags);
  if (without) axe.disableRules(without);
  const { violations } = await axe.analyze();
  return violations.map(({ id, nodes }) => ({
    id,
    places: nodes.slice(0, 3).map(({ html, failureSummary }) => [html, failureSummary]),
  }));
}
