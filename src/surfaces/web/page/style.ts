/** The style of the status page. Calm: one colour shows the overall state, everything else is quiet. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f5f6f4; --card: #ffffff; --line: #e1e4df; --text: #1d2420; --quiet: #5a645d; --track: #e9ece7; --wire: #c9cfc8;
  --ok: #23704a; --ok-soft: #e7f2eb; --warning: #8a5a00; --warning-soft: #fbf1dc;
  --critical: #b02a1f; --critical-soft: #fbeae8; --unknown: #4a5a6a; --unknown-soft: #eaeef2;
  --path: #2a6496; --path-soft: #e3eef7; --strong-text: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121614; --card: #1a201d; --line: #2b332f; --text: #e4e9e6; --quiet: #9aa69f; --track: #2a322e; --wire: #3d4843;
    --ok: #6cc497; --ok-soft: #16291f; --warning: #e3b04b; --warning-soft: #2c2413;
    --critical: #f28b80; --critical-soft: #341a18; --unknown: #a9b8c6; --unknown-soft: #20272d;
    --path: #7fb8e6; --path-soft: #17293a; --strong-text: #101413;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
a { color: inherit; text-underline-offset: 3px; }
:focus-visible { outline: 3px solid var(--path); outline-offset: 2px; border-radius: 4px; }
.page { max-width: 1440px; margin: 0 auto; padding: 20px; display: grid; gap: 16px; }
header.bar { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; justify-content: space-between; }
header.bar h1 { font-size: 15px; font-weight: 600; margin: 0; }
header.bar p { margin: 0; color: var(--quiet); font-size: 14px; font-variant-numeric: tabular-nums; }
#connection .dot { display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--ok); margin-right: 7px; }
.stale #connection .dot { background: var(--critical); }
#gone { margin: 0; padding: 14px 24px; border-radius: 14px; background: var(--critical); color: var(--strong-text); font-size: clamp(16px, 1rem + 0.3vw, 20px); font-weight: 600; }
#gone:empty { position: absolute; padding: 0; }
/* what nobody vouches for any more has no colour */
.stale main, .stuck .columns { filter: grayscale(1); }

.verdict { background: var(--level-soft); border-radius: 14px; padding: 22px 24px; display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 4px 18px; border: 1px solid var(--line); overflow-wrap: anywhere; }
.verdict svg { width: 46px; height: 46px; grid-row: span 2; margin-top: 2px; }
.verdict h2 { font-size: clamp(18px, 1rem + 0.7vw, 26px); line-height: 1.3; font-weight: 600; margin: 0; text-wrap: pretty; }
.verdict p { margin: 0; }
.verdict .advice { font-size: 16px; }
.verdict .wait { grid-column: 2; color: var(--quiet); }
.verdict ul { grid-column: 2; margin: 8px 0 0; padding: 10px 0 0; list-style: none; border-top: 1px solid var(--line); display: grid; gap: 8px; }
.verdict li span { display: block; color: var(--quiet); }
.level-ok { --level: var(--ok); --level-soft: var(--ok-soft); }
.level-warning { --level: var(--warning); --level-soft: var(--warning-soft); }
.level-critical { --level: var(--critical); --level-soft: var(--critical-soft); }
.level-unknown { --level: var(--unknown); --level-soft: var(--unknown-soft); }
.level-word { color: var(--level); }
.disc { fill: var(--level); }
.sign { fill: none; stroke: var(--strong-text); stroke-width: 3.4; stroke-linecap: round; stroke-linejoin: round; }
.count { font-variant-numeric: tabular-nums; font-weight: 600; }

main, .columns { display: grid; gap: 16px; }
.pair { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(260px, 100%), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 18px 20px; min-width: 0; }
.card h2 { display: flex; gap: 12px; justify-content: space-between; font-size: 13px; font-weight: 600; color: var(--quiet); margin: 0 0 12px; letter-spacing: 0.02em; }
.card h2 > :first-child { min-width: 0; overflow-wrap: anywhere; }
.card > p { overflow-wrap: anywhere; }
.mark { flex: none; height: 20px; } .mark svg { width: 20px; height: 20px; }
.card p { margin: 0 0 6px; }
.card p:last-child { margin-bottom: 0; }
.lead { font-size: 18px; font-weight: 600; line-height: 1.35; }
.quiet, dt { color: var(--quiet); }
.tone-ok { color: var(--ok); } .tone-warning { color: var(--warning); } .tone-critical { color: var(--critical); } .tone-unknown { color: var(--unknown); }
dl { margin: 12px 0 0; display: grid; grid-template-columns: max-content 1fr; gap: 3px 16px; font-size: 14px; }
dd { margin: 0; overflow-wrap: anywhere; }
code, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.9em; overflow-wrap: anywhere; }

.certificate + .certificate { margin-top: 20px; padding-top: 18px; border-top: 1px solid var(--line); }
.certificate h3 { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 2px 14px; margin: 0; font-size: 16px; font-weight: 600; }
.certificate h3 small { font-size: 14px; font-weight: 400; color: var(--quiet); }
.certificate .subject { overflow-wrap: anywhere; color: var(--quiet); font-size: 14px; }
.validity { display: block; width: 100%; height: 38px; margin-top: 4px; overflow: visible; }
.validity .track { fill: var(--track); }
.validity .left { fill: var(--level); opacity: 0.75; }
.validity .warn { fill: none; stroke: var(--warning); stroke-width: 2; stroke-dasharray: 3 3; }
.validity .now { stroke: var(--text); stroke-width: 2; }
.validity text { fill: var(--text); font-size: 12px; font-weight: 600; }
.scale { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px; font-size: 13px; color: var(--quiet); font-variant-numeric: tabular-nums; }
.scale .threshold { color: var(--warning); }

.history { display: block; width: 100%; height: 34px; margin: 14px 0 4px; }
.history .good { fill: var(--ok); opacity: 0.8; }
.history .bad { fill: var(--critical); }
.history .none { fill: var(--track); }
.card .apart { margin-top: 22px; }
.legend { font-size: 13px; color: var(--quiet); }

.diagram { display: block; width: 100%; max-width: 400px; height: auto; margin: 0 auto; }
.diagram text { font: 600 10px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--quiet); }
.diagram .box rect { fill: var(--card); stroke: var(--wire); stroke-width: 1.2; }
.diagram .box.lit rect { fill: var(--path-soft); stroke: var(--path); }
.diagram .box.lit text { fill: var(--text); }
.diagram .box.end rect { fill: var(--level); stroke: var(--level); }
.diagram .box.end text { fill: var(--strong-text); }
.diagram .edge { fill: none; stroke: var(--wire); stroke-width: 1.2; }
.diagram .edge.lit { stroke: var(--path); stroke-width: 2; }
.diagram .tip { fill: var(--wire); } .diagram .tip.lit { fill: var(--path); }
.diagram .note { font-size: 11px; font-weight: 500; fill: var(--text); }
.diagram .note.count { font-weight: 700; }
@keyframes busy { 50% { opacity: 0.55; } }
@media (prefers-reduced-motion: no-preference) { .diagram .busy rect { animation: busy 1.6s ease-in-out infinite; } }

.scroll { overflow: auto; max-height: 420px; margin: 0 -6px; padding: 0 6px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 500; color: var(--quiet); font-size: 13px; }
th, td { padding: 6px 12px 6px 0; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
td { overflow-wrap: anywhere; }
td.time, td.number { white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.events { list-style: none; margin: 0; padding: 0; font-size: 14px; }
.events li { display: grid; grid-template-columns: 12.5ch 1fr; gap: 0 12px; padding: 7px 0; border-bottom: 1px solid var(--line); }
.events li:last-child { border-bottom: 0; }
.events time { color: var(--quiet); font-variant-numeric: tabular-nums; white-space: nowrap; }
.events .message { grid-column: 2; color: var(--quiet); overflow-wrap: anywhere; }
footer { display: flex; flex-wrap: wrap; gap: 4px 20px; color: var(--quiet); font-size: 13px; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@media (max-width: 560px) {
  .page { padding: 12px; } .page, main, .columns { gap: 12px; }
  .verdict { padding: 16px; gap: 6px 12px; align-items: center; } .verdict svg { width: 34px; height: 34px; grid-row: span 1; margin: 0; align-self: start; }
  .verdict .advice, .verdict .wait, .verdict ul { grid-column: 1 / -1; }
  .card { padding: 14px; }
  .scale .threshold { order: 1; flex-basis: 100%; }
  .events li { grid-template-columns: 1fr; } .events .message { grid-column: 1; }
}
.column { display: grid; gap: inherit; align-content: start; min-width: 0; }
@media (max-width: 859px) { .column { display: contents; } .diagram-card { order: 1; } .events-card { order: 2; } }
@media (min-width: 860px) {
  .columns { grid-template-columns: minmax(0, 1fr) minmax(320px, 390px); align-items: start; }
  .diagram-card { grid-column: 2; grid-row: 1 / span 2; }
}
@media (min-width: 1240px) {
  .columns { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(320px, 390px); }
  .diagram-card { grid-column: 3; grid-row: 1; }
}
`;
