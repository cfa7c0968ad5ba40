/**
 * The page's style. State colours follow the Okabe–Ito palette, which stays distinct for the common kinds
 * of colour blindness; letters and patterns repeat what they say (model/states.ts).
 */
const light = `
--bg:#f6f7f9;--card:#fff;--ink:#16191d;--muted:#5b6470;--line:#d9dee5;--grid:#e8ebef;--accent:#0b5cad;--code:#eef1f5;
--pass:#00704f;--pass-bg:#e2f3ec;--fail:#b3261e;--fail-bg:#fbe6e4;--unknown:#8a5a00;--unknown-bg:#fdf0d5;--infra:#6d3aa0;--infra-bg:#f0e7f8;
--fault:#c43d12;--fault-text:#a83410;--fault-fill:rgba(213,94,0,.11);--heal:#00805a;--bound:#8a3ea8;
--s-blue:#0072b2;--s-sky:#8fcdf0;--s-grey:#d3d8de;--s-pale:#eceff3;--s-red:#c8460a;--s-yellow:#f2dd3c;--s-orange:#f0a81e;--s-purple:#9a5aa8;--s-green:#2c8a68;
--g-1:#0072b2;--g-2:#f0a81e;--g-3:#8fcdf0;--g-4:#007f5c;--g-5:#a8508a;--g-6:#f2dd3c;--g-7:#7d5f3c;--g-8:#5a626d;
--l-1:#0072b2;--l-2:#d55e00;--l-3:#007f5c;--l-4:#a8508a;--l-5:#c48a00;--l-6:#3b9fd8;--l-7:#5a4fcf;--l-8:#3f4650;
--l-read:#0072b2;--l-write:#d97a00;--l-fail:#c4161c;--l-info:#8a2bb0;--pattern:rgba(0,0,0,.38);--seg-dark:#fff;--seg-light:#16191d;`;
const dark = `
--bg:#101317;--card:#181c22;--ink:#e6e9ee;--muted:#98a2b0;--line:#2d343e;--grid:#252b34;--accent:#6db3f2;--code:#222831;
--pass:#3ecf9a;--pass-bg:#10382b;--fail:#ff7b70;--fail-bg:#451a17;--unknown:#f2b844;--unknown-bg:#3d2d0c;--infra:#c79af0;--infra-bg:#33204a;
--fault:#ff8a5c;--fault-text:#ff9f78;--fault-fill:rgba(255,120,60,.14);--heal:#3ecf9a;--bound:#d09be8;
--s-blue:#2f93d6;--s-sky:#7cc0e8;--s-grey:#48515d;--s-pale:#2e353f;--s-red:#d9581c;--s-yellow:#e3cd35;--s-orange:#e39c1a;--s-purple:#a86bb8;--s-green:#2f9a73;
--g-1:#2f93d6;--g-2:#e39c1a;--g-3:#7cc0e8;--g-4:#1f9b76;--g-5:#c06aa2;--g-6:#e3cd35;--g-7:#a8845a;--g-8:#7a8593;
--l-1:#4fa8e8;--l-2:#ff8a3c;--l-3:#34c99a;--l-4:#dd88c0;--l-5:#e8b93a;--l-6:#8fd0f5;--l-7:#9d94ff;--l-8:#b8c0cb;
--l-read:#4fa8e8;--l-write:#ffa640;--l-fail:#ff5a5f;--l-info:#d48cff;--pattern:rgba(0,0,0,.45);--seg-dark:#fff;--seg-light:#101317;`;

const stateColors = ['s-blue', 's-sky', 's-grey', 's-pale', 's-red', 's-yellow', 's-orange', 's-purple', 's-green', 'g-1', 'g-2', 'g-3', 'g-4', 'g-5', 'g-6', 'g-7', 'g-8'];
const verdicts = ['pass', 'fail', 'unknown', 'infra'];

export const pageStyle = `
:root{color-scheme:light dark;--gutter:196px;--y-axis:58px;--right:14px;--nav:42px;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{scroll-padding-top:calc(var(--nav) + 10px)}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1680px;margin:0 auto;padding:16px 20px 40px}
code{font:12.5px/1.4 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--code);border-radius:3px;padding:1px 4px;overflow-wrap:anywhere}
h1{font-size:21px;line-height:1.25;margin:0 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 8px;letter-spacing:-.005em}
h3{font-size:12.5px;margin:0 0 4px}
p{margin:0 0 8px}
button,select,input{font:inherit;color:inherit}
button{cursor:pointer;background:var(--card);border:1px solid var(--line);border-radius:5px;padding:2px 9px}
button:hover{border-color:var(--accent);color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
button.link{border:0;background:none;padding:0;color:var(--accent);font-variant-numeric:tabular-nums}
button.link:hover{text-decoration:underline}
select,input[type=search]{background:var(--card);border:1px solid var(--line);border-radius:5px;padding:2px 6px}
section,.fold{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;margin:0 0 14px}
.hint{color:var(--muted);font-size:13px}
.empty{color:var(--muted);padding:10px 0;margin:0}
.more{color:var(--muted);font-size:12.5px;margin:6px 0 0}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.count{display:inline-block;background:var(--code);border-radius:9px;padding:0 7px;font-size:11.5px;font-weight:600;color:var(--muted)}
.scroll{overflow-x:auto}
.ok{color:var(--pass)}
.bad{color:var(--fail);font-weight:600}

.nav{position:sticky;top:0;z-index:30;background:var(--card);border-bottom:1px solid var(--line);height:var(--nav)}
.nav-inner{max-width:1680px;margin:0 auto;padding:0 20px;height:100%;display:flex;align-items:center;gap:12px;white-space:nowrap;overflow:hidden}
.nav a{color:var(--muted);text-decoration:none}
.nav a:hover{color:var(--accent)}
.nav .brand{font-weight:700;color:var(--ink);letter-spacing:-.01em}
.nav-title{overflow:hidden;text-overflow:ellipsis;font-weight:600;min-width:40px}
.nav-links{scrollbar-width:none;display:flex;gap:14px;margin-left:auto;font-size:13px}

.hero{display:flex;gap:20px;align-items:stretch;margin:0 0 12px}
.big{flex:none;min-width:220px;border-radius:10px;padding:18px 26px;display:flex;flex-direction:column;align-items:center;justify-content:center;color:#fff}
.big .sign{font-size:44px;line-height:1;font-weight:700}
.big .word{font-size:38px;line-height:1.15;font-weight:800;letter-spacing:.02em}
.big.v-pass{background:#00704f}.big.v-fail{background:#b3261e}.big.v-unknown{background:#8a5a00}.big.v-infra{background:#6d3aa0}
.what{flex:1;min-width:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 18px}
.lead{font-size:15px}
.facts{display:flex;flex-wrap:wrap;gap:6px 26px;margin:0 0 10px}
.facts div{min-width:0}
dt{color:var(--muted);font-size:11.5px}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.facts.rows{display:block}
.facts.rows div{display:flex;justify-content:space-between;gap:16px;border-top:1px solid var(--grid);padding:2px 0}
.facts.rows dt{font-size:12.5px}
.facts.rows dd{text-align:right}
.repro{display:flex;gap:8px;align-items:center;background:var(--code);border-radius:6px;padding:6px 6px 6px 10px}
.repro-label{color:var(--muted);font-size:12px;white-space:nowrap}
.repro code{flex:1;background:none;padding:0;min-width:0}
.repro button{flex:none}
.banner{border-radius:8px;padding:10px 14px;margin:0 0 12px}
.banner ul{margin:4px 0 0;padding-left:20px}
.banner.warn{background:var(--unknown-bg);border:1px solid var(--unknown);color:var(--ink)}
.banner.defects{border:3px solid #111;color:#111;font-size:15px;padding:14px 18px;background:repeating-linear-gradient(-45deg,#ffd21f 0 22px,#f5bd00 22px 44px)}
.banner.defects code{background:rgba(255,255,255,.75);color:#111}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:0;padding:0;overflow:hidden}
.tile{display:flex;flex-direction:column;padding:10px 16px;border-right:1px solid var(--grid)}
.tile .name{color:var(--muted);font-size:11.5px}
.tile .value{font-size:20px;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.tile .note{color:var(--muted);font-size:11.5px}
.tile.bad .value{color:var(--fail)}

.badge{display:inline-block;border-radius:4px;padding:1px 8px;font-size:12px;font-weight:700;letter-spacing:.03em;white-space:nowrap}
${verdicts.map((name) => `.badge.v-${name}{background:var(--${name}-bg);color:var(--${name})}`).join('')}
table{border-collapse:collapse;width:100%;font-size:13px}
thead th{color:var(--muted);font-weight:500;font-size:12px;text-align:left;border-bottom:1px solid var(--line);padding:3px 10px 4px 0;white-space:nowrap}
thead th.num{text-align:right}
tbody td,tbody th{border-bottom:1px solid var(--grid);padding:6px 10px 6px 0;vertical-align:top;text-align:left;font-weight:400}
tbody td.num{text-align:right}
tbody th{font-weight:600}
tbody tr:last-child>td,tbody tr:last-child>th{border-bottom:0}
.checks td:first-child{padding-left:10px;width:110px}
.checks th[scope=row]{width:30%;min-width:220px}
.checks tr.v-fail>td:first-child{box-shadow:inset 4px 0 var(--fail)}
.checks tr.v-unknown>td:first-child{box-shadow:inset 4px 0 var(--unknown)}
.checks tr.v-infra>td:first-child{box-shadow:inset 4px 0 var(--infra)}
.checks tr.v-pass>td:first-child{box-shadow:inset 4px 0 var(--pass-bg)}
.proves{display:block;font-weight:400;color:var(--muted);font-size:12.5px}
.checks td:nth-child(3){min-width:280px}
.checks .summary{margin:0;overflow-wrap:anywhere}
.checks tr.v-fail .summary{font-weight:600}
.evidence{margin-top:4px}
summary{cursor:pointer;color:var(--muted);font-size:12.5px}
summary:hover{color:var(--accent)}
.evidence ol{margin:4px 0 2px;padding-left:22px}
.evidence li{margin:3px 0;overflow-wrap:anywhere}
.refs{font-size:12px;color:var(--muted)}
.refs>*+*{margin-left:10px}
.metrics{display:grid;grid-template-columns:max-content max-content;gap:0 12px;margin:0;justify-content:end}
.metrics div{display:contents}
.metrics dt{font-size:12px}
.metrics dd{text-align:right;font-size:12.5px}
.terms td{border:0;padding:0 10px 1px 0}
.terms .reason{color:var(--muted)}
ul.plain{margin:0;padding-left:16px}
.steps{margin:0;padding-left:20px}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(230px,1fr));gap:14px 34px}
meter{width:90px;height:10px;vertical-align:middle}
tr.over>td,tr.over>th{background:var(--fail-bg)}
tr.over>th{box-shadow:inset 4px 0 var(--fail);padding-left:10px}
.fold>summary{font-weight:600;color:var(--ink);font-size:13px}
.fold .columns{margin-top:10px}

.toolbar{display:flex;flex-wrap:wrap;gap:6px 8px;align-items:center;margin:0 0 8px;font-size:13px}
.toolbar output{margin-left:auto;color:var(--muted);font-variant-numeric:tabular-nums}
.fault-button{border-color:var(--fault);color:var(--fault-text);font-weight:600}
#fault-buttons{display:inline-flex;gap:4px;flex-wrap:wrap}
#time{position:relative}
.ruler{position:sticky;top:var(--nav);z-index:20;background:var(--card);display:flex;border-bottom:1px solid var(--line);padding-top:4px}
.ruler .side{width:var(--gutter);flex:none;display:flex;flex-direction:column;font-size:11.5px;color:var(--muted);text-align:right;padding-right:10px;line-height:19px}
.ruler svg,.lane-drawing{display:block;cursor:crosshair;flex:none}
.chart{display:flex;margin:10px 0 0}
.chart .side{width:calc(var(--gutter) - var(--y-axis));flex:none;display:flex;flex-direction:column;gap:2px;font-size:12px;min-width:0;padding-right:4px}
.chart .side h3{font-size:13.5px;margin:0}
.chart .side p{color:var(--muted);margin:0 0 3px;line-height:1.3;font-size:11.5px}
.chart .side label{color:var(--muted);font-size:11.5px}
.chart .side select{max-width:100%;font-size:11.5px;padding:1px 3px}
.plot{min-width:0;flex:1}
.legend{display:flex;flex-direction:column;align-items:stretch;overflow:hidden auto;max-height:150px;margin-top:4px}
.legend .entry{display:flex;align-items:center;gap:5px;border:0;background:none;padding:0 2px;font-size:11.5px;line-height:17px;text-align:left;white-space:nowrap}
.legend .entry[aria-pressed=false]{opacity:.4;text-decoration:line-through}
.legend .value{margin-left:auto;font-variant-numeric:tabular-nums;color:var(--muted)}
.legend svg{flex:none}
.u-select{background:var(--accent)!important;opacity:.16}
.chart-note{margin:0 0 0 var(--gutter);font-size:11.5px;color:var(--muted)}
.lanes-tools{display:flex;gap:6px;margin:14px 0 4px;font-size:12px}
.lane-block{border-top:1px solid var(--line);padding:3px 0 6px}
.lane-block>summary{padding:2px 0;color:var(--ink);font-size:13px}
.lane-block .note{color:var(--muted);font-size:12px}
.lane-fold>summary{padding-left:14px;font-size:12px}
.lane{display:flex;height:22px;align-items:center}
.lane:hover{background:color-mix(in srgb,var(--accent) 7%,transparent)}
.lane-label{width:var(--gutter);flex:none;font-size:11.5px;color:var(--muted);text-align:right;padding-right:10px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.shade{fill:var(--fault-fill)}
.mark-fault{stroke:var(--fault);stroke-width:1}
.mark-heal{stroke:var(--heal);stroke-width:1}
.mark-heal.dotted{stroke-dasharray:2 2}
.rail{stroke:var(--line);stroke-width:1;stroke-dasharray:1 3}
.edge{stroke:var(--card);stroke-width:1.5}
.tick{stroke:var(--line)}
.tick-label{fill:var(--muted);font-size:11px}
.phase-0{fill:var(--code)}.phase-1{fill:var(--line)}
.phase-name{fill:var(--muted);font-size:11px}
.fault-bar{fill:var(--fault-fill);stroke:var(--fault)}
.fault-name{fill:var(--fault-text);font-size:11px;font-weight:600}
.seg{font-size:10.5px;pointer-events:none}
.on-dark{fill:var(--seg-dark)}.on-light{fill:var(--seg-light)}.on-ground{fill:var(--ink)}
.pattern-hatch{fill:url(#p-hatch)}.pattern-cross{fill:url(#p-cross)}.pattern-dots{fill:url(#p-dots)}
.ink{fill:var(--pattern)}
.defs{position:absolute}
${stateColors.map((name) => `.fill-${name}{fill:var(--${name})}`).join('')}
.legend-states{border:0;border-radius:0;padding:2px 0 6px;margin:0}
.key{display:flex;align-items:center;gap:7px;font-size:12px;line-height:20px}
.key text{font-size:10px;text-anchor:middle}
#crosshair{position:absolute;top:0;bottom:0;width:0;border-left:1px dashed var(--muted);pointer-events:none;z-index:21}
#crosshair span{position:sticky;top:calc(var(--nav) + 44px);display:inline-block;transform:translateX(-50%);background:var(--ink);color:var(--card);font-size:11px;line-height:16px;padding:0 5px;border-radius:3px;font-variant-numeric:tabular-nums;white-space:nowrap}
.selection{position:absolute;top:0;bottom:0;background:var(--accent);opacity:.16;pointer-events:none;z-index:19}
#tooltip{position:fixed;z-index:40;background:var(--ink);color:var(--card);border-radius:6px;padding:6px 10px;font-size:12px;pointer-events:none;max-width:420px;box-shadow:0 4px 14px rgba(0,0,0,.25);overflow-wrap:anywhere}
#tooltip>*{display:block}
[hidden]{display:none!important}

.log-scroll{max-height:560px;overflow:auto}
.log thead th{position:sticky;top:0;background:var(--card);z-index:1}
.log td{padding:2px 12px 2px 0;overflow-wrap:anywhere}
.log td:nth-child(3),.log td:nth-child(4){white-space:nowrap;color:var(--muted)}
.log td:last-child{width:100%}
.log .level-error td:last-child{color:var(--fail);font-weight:600}
.log .level-warn td:last-child{color:var(--fault-text)}
#log-kinds{display:inline-flex;flex-wrap:wrap;gap:4px}
.kind{font-size:12px;padding:0 8px;border-radius:10px}
.kind[aria-pressed=false]{opacity:.45;text-decoration:line-through}
#log-more{margin-top:8px}
footer{max-width:1680px;margin:0 auto;padding:0 20px 30px;color:var(--muted);font-size:12.5px}

@media (max-width:900px){.hero{flex-direction:column}.big{flex-direction:row;gap:14px}.nav-title{display:none}.nav-links{overflow-x:auto}main{padding:12px 10px}.checks th[scope=row]{min-width:150px}.chart{flex-direction:column}.chart .side{width:auto}.plot{margin-left:calc(var(--gutter) - var(--y-axis))}}
@media print{.nav,.toolbar,.lanes-tools,#log{display:none}section{break-inside:avoid}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
`;
