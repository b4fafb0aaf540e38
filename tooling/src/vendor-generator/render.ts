import type { VendorRequest } from "./request.ts";

const marker = / *(?:\/\/|<!--) only (with|without) --(accounts|ids integer|ids string)(?: -->)?$/;

/**
 * Renders a template: a file of the vendor `acme` whose records are widgets. A line that ends with `// only with --accounts` or the
 * like is kept only then.
 */
export function render(template: string, request: VendorRequest): string {
  const lines = template.split("\n").flatMap((line) => {
    const [text, condition, option] = marker.exec(line) ?? [];
    if (text === undefined) return [line];
    return isOn(option as string, request) === (condition === "with") ? [line.slice(0, -text.length)] : [];
  });
  return rename(lines.join("\n"), request);
}

function isOn(option: string, { accounts, ids }: VendorRequest): boolean {
  return option === "accounts" ? accounts : option === `ids ${ids}`;
}

/** Replaces the names of the template in each form: `acme`, `Acme`, `ACME`, `widget`, `Widget`. */
export function rename(text: string, { name, record }: VendorRequest): string {
  const names: Record<string, string> = {
    acme: name,
    Acme: capitalize(name),
    ACME: name.toUpperCase(),
    widget: record,
    Widget: capitalize(record),
  };
  // In one pass, because a new name may hold one of the template.
  return text.replace(/acme|Acme|ACME|widget|Widget/g, (word) => names[word] ?? word);
}

const capitalize = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
