import { SaxesParser } from "saxes";

/** Finds the token in a body that arrives in parts. */
export interface TokenScan {
  /** Takes the next part; returns the token once it has been found. */
  write(part: Uint8Array): string | undefined;
}

/**
 * Creates a scan for a body in JSON or XML.
 *
 * @param start the beginning of the body, which decides its format
 */
export function createTokenScan(start: Uint8Array): TokenScan {
  return /^[\s\ufeff]*</.test(new TextDecoder().decode(start.subarray(0, 1024))) ? createXmlScan() : createJsonScan();
}

/** Finds the element `token` in the root element. */
function createXmlScan(): TokenScan {
  const decoder = new TextDecoder();
  const parser = new SaxesParser({ position: false });
  let depth = 0;
  let isToken = false;
  let text = "";
  let found: string | undefined;
  let isBroken = false;
  parser.on("opentag", ({ name }) => {
    depth++;
    isToken = depth === 2 && name === "token";
    if (isToken) text = "";
  });
  const addText = (part: string) => {
    if (isToken && text.length < longestToken) text += part;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.on("closetag", () => {
    if (isToken && depth === 2) found ??= text.trim();
    isToken = false;
    depth--;
  });
  return {
    write(part) {
      if (isBroken) return undefined;
      try {
        parser.write(decoder.decode(part, { stream: true }));
      } catch {
        // The parser of the whole body reports the error.
        isBroken = true;
      }
      return found;
    },
  };
}

const longestToken = 4096;

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;

/** Finds the text of the member `token` of the root object. */
function createJsonScan(): TokenScan {
  let depth = 0;
  let isText = false;
  let isEscaped = false;
  /** A value is expected, and not a name. */
  let isValue = false;
  let name = "";
  /** The bytes of the text that is being read, if it is a name or a value of the root object. */
  let bytes: number[] | undefined;

  function endText(): string | undefined {
    const text = bytes === undefined ? undefined : parseText(bytes);
    if (depth !== 1 || text === undefined) return undefined;
    if (isValue) return name === "token" ? text : undefined;
    name = text;
    return undefined;
  }

  /** Takes a byte of a text; returns the token if the text ends with it and is the token. */
  function readText(byte: number): string | undefined {
    if (isEscaped) isEscaped = false;
    else if (byte === backslash) isEscaped = true;
    else if (byte === quote) {
      isText = false;
      return endText();
    }
    if (bytes && bytes.length < longestToken) bytes.push(byte);
    return undefined;
  }

  function readOther(byte: number): void {
    if (byte === quote) {
      isText = true;
      bytes = depth === 1 ? [] : undefined;
    } else if (byte === colon) isValue = true;
    else if (byte === comma) isValue = false;
    // Braces differ from brackets by one bit, and the closing ones from the opening ones by two.
    else if ((byte | 0x20) === 0x7b) {
      depth++;
      isValue = false;
    } else if ((byte | 0x20) === 0x7d) depth--;
  }

  return {
    write(part) {
      for (const byte of part) {
        const token = isText ? readText(byte) : readOther(byte);
        if (token !== undefined) return token;
      }
      return undefined;
    },
  };
}

function parseText(bytes: readonly number[]): string | undefined {
  try {
    return JSON.parse(`"${Buffer.from(bytes).toString()}"`) as string;
  } catch {
    return undefined;
  }
}
