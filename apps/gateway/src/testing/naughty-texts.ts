/** Texts that break out of markup where a page does not escape them. */
const markup = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '"><svg onload=alert(1)>',
  "'><iframe srcdoc='<script>alert(1)</script>'>",
  "</textarea><script>alert(1)</script>",
  "</title><script>alert(1)</script>",
  "<!--<script>alert(1)//-->",
  "<a href=javascript:alert(1)>x</a>",
  "javascript:alert(1)",
  "<style>*{display:none}</style>",
  "<base href=//evil.example>",
  "<meta http-equiv=refresh content=0>",
  '" autofocus onfocus=alert(1) x="',
  "` onmouseover=alert(1) `",
  "#{alert(1)}",
  "{{constructor.constructor('alert(1)')()}}",
  "&lt;b&gt;",
  "&#60;script&#62;",
  "<b>bold</b>",
  "<form action=//evil.example><button>",
];

/** Texts that other layers take for something else. */
const syntax = [
  "'; drop table reinstate_batches; --",
  "' or '1'='1",
  "%00%0d%0aSet-Cookie:x=1",
  "../../../etc/passwd",
  "..\\..\\windows\\win.ini",
  "$(touch /tmp/x)",
  "`id`",
  "%s%n%x",
  "=1+1",
  "@SUM(A1)",
  "null",
  "undefined",
  "NaN",
  "true",
  "0x1F",
  "1e309",
  "-0",
  "[object Object]",
  "__proto__",
  "constructor",
  "?a=1&b=2#c",
  "a/b/c",
  "a%2Fb",
  "a+b c",
  "C:\\\\x",
];

/** Texts of many scripts, lengths and directions. */
const scripts = [
  "مرحبا بالعالم",
  "שלום עולם",
  "日本語のテキスト",
  "Ελληνικά",
  "नमस्ते",
  "👩‍👩‍👧‍👦",
  "🏳️‍🌈",
  "e\u0301\u0302\u0303",
  "Z\u0351\u036b\u0343",
  "ﬁ ﬂ ŉ",
  "İıſß",
  "\ufffe\uffff",
  "\u2028line\u2029paragraph",
  "a\u00a0b\u202f c",
  "x".repeat(250),
  "ＦＵＬＬ",
];

const wrap = (texts: readonly string[], before: string, after = ""): string[] =>
  texts.map((text) => `${before}${text}${after}`);

/** Invisible characters, and those that reorder a text: control characters, marks and overrides of direction. */
const controls = [
  ...Array.from({ length: 31 }, (_, index) => index + 1),
  ...Array.from({ length: 33 }, (_, index) => 0x7f + index),
  ...[0xad, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2060, 0xfeff],
  ...Array.from({ length: 7 }, (_, index) => 0x2028 + index),
  ...Array.from({ length: 4 }, (_, index) => 0x2066 + index),
].flatMap((code) => [`a${String.fromCharCode(code)}b`, `${String.fromCharCode(code)}<i>x</i>`]);

/** Some 500 distinct texts that pages must show as they are. None holds a NUL character, which no API accepts. */
export const naughtyTexts: readonly string[] = [
  ...new Set([
    ...markup,
    ...syntax,
    ...scripts,
    ...controls,
    ...wrap(markup, "x ", " y"),
    ...wrap(markup, "\u202e"),
    ...wrap(markup, '{"a":"', '"}'),
    ...wrap(
      markup.map((text) => text.toUpperCase()),
      "",
    ),
    ...wrap(markup, "\n", "\n"),
    ...wrap(syntax, "<", ">"),
    ...wrap(syntax, "\u2067"),
    ...wrap(scripts, "<b>", "</b>"),
    ...wrap(scripts, '"', '"'),
    ...wrap(scripts, "\u202d"),
    ...wrap(syntax, " ", " "),
    ...wrap(syntax, "'"),
  ]),
].map((text) => text.slice(0, 250));
