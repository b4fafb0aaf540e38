/**
 * Returns a function that reads each text of a file once. The conventions check reads the whole repository again for every planted
 * fault, and all files but one are the same.
 *
 * @example const findFaults = remember((file, text) => findLongFunctions(file, text));
 */
export function remember<Result>(read: (file: string, text: string) => Result): (file: string, text: string) => Result {
  const known = new Map<string, { text: string; result: Result }>();
  return (file, text) => {
    const before = known.get(file);
    if (before?.text === text) return before.result;
    const result = read(file, text);
    known.set(file, { text, result });
    return result;
  };
}
