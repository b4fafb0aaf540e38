import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listFiles, listPackages } from "./workspace.ts";

/** A place that a generated package leaves to its author. */
export interface FillMark {
  /** `packages/zendesk/src/errors.ts:12` */
  place: string;
  text: string;
}

/** Lists every `FILL:` in the packages, with file and line. */
export function listFillMarks(root: string): FillMark[] {
  return listPackages(join(root, "packages")).flatMap((name) =>
    listFiles(root, `packages/${name}`)
      .sort()
      .flatMap((path) =>
        readFileSync(join(root, path), "utf8")
          .split("\n")
          .flatMap((line, index) => {
            const text = /FILL: (.*)/.exec(line)?.[1];
            return text === undefined ? [] : [{ place: `${path}:${index + 1}`, text }];
          }),
      ),
  );
}
