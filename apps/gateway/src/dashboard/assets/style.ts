const source = `:root {
  color-scheme: light dark;
  --paper: light-dark(#f7f6f3, #15181a);
  --card: light-dark(#fff, #1d2124);
  --sunk: light-dark(#efede8, #272c30);
  --line: light-dark(#dfdcd4, #343a3f);
  --ink: light-dark(#1d2326, #e9ecee);
  --soft: light-dark(#596065, #a3acb3);
  --accent: light-dark(#0d5c63, #7fd0d3);
  --accent-ink: light-dark(#fff, #0c2325);
  --done: light-dark(#1b7448, #6fcf97);
  --skipped: light-dark(#667078, #98a2a9);
  --failed: light-dark(#b02a23, #ff9e96);
  --unknown: light-dark(#8a5a00, #f0bd5e);
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --s1: .875rem; --s2: 1rem; --s3: 1.25rem; --s4: 1.75rem; --s5: 2.5rem; --pad: 24px;
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: var(--s2)/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
h1, h2, p, dl, dd, ul, ol { margin: 0; }
h1 { font-size: var(--s4); line-height: 1.2; letter-spacing: -.015em; font-weight: 650; }
h2 { font-size: var(--s3); line-height: 1.3; font-weight: 620; letter-spacing: -.01em; }
a { color: var(--accent); text-underline-offset: .2em; text-decoration-thickness: 1px; }
code, pre { font-family: var(--mono); font-size: .9em; overflow-wrap: anywhere; }
pre { background: var(--sunk); border-radius: 8px; padding: 12px 16px; white-space: pre-wrap; user-select: all; margin: 8px 0 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
.inner, main { max-width: 72rem; margin: 0 auto; padding: 0 24px; }
main { display: grid; gap: 24px; padding-block: 40px 80px; grid-template-columns: minmax(0, 1fr); }
.top { background: var(--card); border-bottom: 1px solid var(--line); }
.top .inner { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 24px; padding-block: 10px; }
.brand { display: flex; align-items: center; gap: 8px; font-weight: 700; font-size: 1.125rem; color: var(--ink); text-decoration: none; letter-spacing: -.01em; }
.mark { color: var(--accent); }
.top nav { display: flex; flex-wrap: wrap; gap: 4px; }
.top nav a { padding: 6px 12px; border-radius: 8px; color: var(--soft); text-decoration: none; font-size: var(--s1); font-weight: 550; }
.top nav a:hover { background: var(--sunk); color: var(--ink); }
.top nav a[aria-current] { background: var(--sunk); color: var(--accent); }
.account { margin-left: auto; display: flex; align-items: center; gap: 12px; font-size: var(--s1); overflow-wrap: anywhere; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 8px; top: 8px; background: var(--card); padding: 8px 12px; z-index: 1; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.head { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 12px 24px; }
.lead { margin-top: -16px; }
.trail { font-size: var(--s1); margin-bottom: -16px; }
.muted, .hint, .sub, .none, .counts .none, .tag, .lead, .trail, .pace, .account, q, .outcome { color: var(--soft); }
.hint, .sub { font-size: var(--s1); }
.sub { display: block; font-weight: 400; }
.card, .empty { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: var(--pad); display: grid; gap: 16px; align-content: start; grid-template-columns: minmax(0, 1fr); overflow-wrap: anywhere; }
form { min-width: 0; }
.narrow form { display: grid; gap: 16px; justify-items: start; }
.narrow .field { width: 100%; }
.card.narrow { max-width: 28rem; width: 100%; margin: 8vh auto 0; }
.card.accent { border-color: var(--accent); box-shadow: inset 4px 0 var(--accent); }
.card.attention { border-color: var(--unknown); box-shadow: inset 4px 0 var(--unknown); }
.empty { border-style: dashed; text-align: center; justify-items: center; padding: 64px 24px; }
.empty p { max-width: 34rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 24px; align-items: start; }
.choices { list-style: none; padding: 0; display: grid; }
.choices li { padding: 10px 0; border-top: 1px solid var(--line); }
.choices a { font-weight: 600; }
.button, button { display: inline-flex; align-items: center; gap: .3em; min-height: 40px; padding: 6px 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink); font: inherit; font-size: var(--s1); font-weight: 600; text-decoration: none; cursor: pointer; }
.button:hover, button:hover { border-color: var(--soft); background: var(--sunk); }
.primary, .primary:hover { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); }
.primary:hover { filter: brightness(1.1); }
.danger { color: var(--failed); border-color: currentColor; }
.quiet { border-color: transparent; background: none; padding-inline: 8px; font-size: var(--s1); }
.row, .tags, .pace { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; }
.action { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: end; }
form.card { gap: 24px; }
.filter { display: flex; flex-wrap: wrap; gap: 12px 16px; align-items: end; }
.filter .quiet { line-height: 40px; }
label { display: grid; grid-template-columns: minmax(0, auto); gap: 4px; font-size: var(--s1); font-weight: 600; }
.check label { display: flex; gap: 8px; align-items: center; font-size: var(--s2); }
.field { display: grid; gap: 4px; min-width: 0; }
input, select, textarea { font: inherit; font-weight: 400; color: inherit; background: var(--card); border: 1px solid light-dark(#8b9297, #6f787f); border-radius: 8px; padding: 6px 10px; min-height: 40px; max-width: 100%; }
textarea { width: 100%; font-family: var(--mono); font-size: var(--s1); resize: vertical; }
.card > .field :is(input:not([type=checkbox]), select), .card.narrow input { width: 100%; max-width: 28rem; }
input[type=checkbox] { min-height: 0; width: 20px; height: 20px; accent-color: var(--accent); }
.scroll { position: relative; overflow-x: auto; border: 1px solid var(--line); border-radius: 12px; background: var(--card); }
.card .scroll { margin: 0 calc(-1*var(--pad)) calc(-1*var(--pad)); border-width: 1px 0 0; border-radius: 0 0 12px 12px; }
table { border-collapse: collapse; width: 100%; font-size: var(--s1); }
th, td { padding: 12px 16px; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
.card tr > :first-child { padding-left: var(--pad); }
.card tr > :last-child { padding-right: var(--pad); }
td code { overflow-wrap: break-word; }
thead th { border: 0; color: var(--soft); font-weight: 550; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 12rem; }
tbody tr:hover { background: light-dark(#faf9f7, #212629); }
.number { text-align: right; white-space: nowrap; }
.wide { width: 30%; min-width: 9rem; }
.what { font-weight: 400; }
.badge, .tag { display: inline-block; padding: 1px 10px; border-radius: 99px; font-size: .8125rem; font-weight: 600; white-space: nowrap; border: 1px solid; }
.tag { font-weight: 500; }
.badge::before { content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: currentColor; margin-right: 6px; }
.badge.completed, .outcome.done, .done b, td.done { color: var(--done); }
.badge.failed, .outcome.failed, .failed b, td.failed { color: var(--failed); }
.badge.in_progress { color: var(--accent); }
.badge.pending { color: var(--soft); }
.badge.stopped, .outcome.unknown, .unknown b, td.unknown { color: var(--unknown); }
.outcome { font-weight: 600; white-space: nowrap; }
.bar { display: block; width: 100%; height: 8px; border-radius: 99px; background: var(--sunk); margin: 6px 0; }
.card > .bar { height: 12px; margin: 0; }
.bar .done { fill: var(--done); } .bar .skipped { fill: var(--skipped); } .bar .failed { fill: var(--failed); } .bar .unknown { fill: var(--unknown); }
.big b { font-size: var(--s5); line-height: 1; letter-spacing: -.03em; font-weight: 650; }
.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: 16px; }
.counts dt, .facts dt { font-size: var(--s1); color: var(--soft); }
.counts dt a { color: inherit; }
.counts b { font-size: 1.375rem; font-weight: 620; }
.pace { gap: 4px 24px; font-size: var(--s1); }
.pace b { color: var(--ink); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 16px 24px; }
.notice { background: var(--sunk); border-radius: 8px; padding: 10px 16px; }
.notice:empty { display: none; }
.notice.wait { box-shadow: inset 4px 0 var(--unknown); }
.notice.failed { box-shadow: inset 4px 0 var(--failed); }
.alert { border: 1px solid var(--failed); border-radius: 12px; padding: 16px 20px; display: grid; gap: 8px; background: var(--card); overflow-wrap: anywhere; }
.alert h2 { color: var(--failed); font-size: var(--s2); }
.history { padding: 0; list-style: none; display: grid; gap: 12px; border-left: 2px solid var(--line); }
.history li { padding-left: 16px; }
.history time { color: var(--soft); font-size: var(--s1); margin-right: 8px; }
q { display: block; }
.pages { display: flex; gap: 16px; align-items: center; justify-content: end; }
time, time ~ .muted { white-space: nowrap; }
@media (max-width: 40rem) {
  .inner, main { padding-inline: 16px; }
  main { padding-block: 24px 64px; gap: 20px; }
  .account { margin-left: 0; width: 100%; justify-content: space-between; }
  :root { --pad: 16px; }
}
`;

/** The style sheet of all pages, without the white space of its source. Colours have a contrast of 4.5 in both schemes. */
export const style = source
  .replace(/\n\s*/g, "")
  .replace(/\s*([{};>]|[:,](?= ))\s*/g, "$1")
  .replaceAll(";}", "}");
