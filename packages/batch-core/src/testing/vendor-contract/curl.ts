/**
 * Reads a line of shell that calls curl, as a demo prints it, as a request.
 *
 * @throws Error for an option other than `-X`, `-H` and `-d`.
 */
export function parseCurl(line: string): Request {
  const [command, ...words] = splitWords(line);
  if (command !== "curl") throw new Error(`The line does not start with curl: ${line}`);
  const headers = new Headers();
  let [url, method, body]: (string | undefined)[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string;
    if (!word.startsWith("-")) url = word;
    else {
      const value = words[++index] ?? "";
      if (word === "-X") method = value;
      else if (word === "-d") body = value;
      else if (word === "-H") headers.append(value.slice(0, value.indexOf(":")), value.slice(value.indexOf(":") + 1));
      else throw new Error(`The option ${word} is not read here: use -X, -H and -d`);
    }
  }
  if (url === undefined) throw new Error(`The line names no URL: ${line}`);
  return new Request(url, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers,
    ...(body !== undefined && { body }),
  });
}

/** Splits at white space outside of quotes. */
function splitWords(line: string): string[] {
  const words = line.match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"])+/g) ?? [];
  return words.map((word) =>
    word.replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, (_, single?: string, double?: string) =>
      single !== undefined ? single : (double ?? "").replaceAll(/\\(.)/g, "$1"),
    ),
  );
}
