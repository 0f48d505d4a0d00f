/** The page's style sheet: one palette by names, once for light and once for dark; charts use the same names. */

const LIGHT = `
  --paper:#ffffff; --panel:#f5f6f8; --ink:#16191d; --muted:#5a6472; --rule:#dde1e7; --cell:#f1f3f6;
  --accent:#0b6fa4; --band:#8fc3e2; --band-tail:#d3e7f3; --band-edge:#6faed3; --bad:#b3261e;
  --is-healthy:#cfe8d8; --is-watch:#eee3b4; --is-recovering:#a9d5ec; --is-drifting:#f2b04c;
  --is-storming:#d9485f; --is-degraded:#b0692c; --is-down:#5b1a3c;
  --heat-1:#fbe3d0; --heat-2:#f7c3a0; --heat-3:#ee9a72; --heat-4:#de6a4c; --heat-5:#b83a34; --heat-6:#7d1525;
  --end-answered:#bcd7c6; --end-throttled:#e9a23b; --end-failed:#c8343f; --end-abandoned:#8b5fbf;
  --end-refused:#3f8fc4; --end-deferred:#2aa198;
  --line-1:#0b6fa4; --line-2:#c8343f; --line-3:#8b5fbf; --line-4:#b0692c; --line-5:#2b8a57; --line-6:#5a6472;
  color-scheme:light;`

const DARK = `
  --paper:#14171b; --panel:#1c2026; --ink:#e8ebef; --muted:#9aa5b3; --rule:#333a44; --cell:#1d2127;
  --accent:#5fb6e6; --band:#2f6f96; --band-tail:#22465d; --band-edge:#3f7fa6; --bad:#ff8a80;
  --is-healthy:#28493a; --is-watch:#5c5427; --is-recovering:#2f5f7c; --is-drifting:#c98a2b;
  --is-storming:#e4566c; --is-degraded:#a86a35; --is-down:#b0487d;
  --heat-1:#3a2a27; --heat-2:#5c342b; --heat-3:#86412f; --heat-4:#bb5a3f; --heat-5:#e88a63; --heat-6:#ffd0ad;
  --end-answered:#3b6350; --end-throttled:#d2973c; --end-failed:#e0555f; --end-abandoned:#a685d6;
  --end-refused:#58a6d8; --end-deferred:#43b8ae;
  --line-1:#5fb6e6; --line-2:#f0717a; --line-3:#b79be0; --line-4:#d79a63; --line-5:#62c08d; --line-6:#9aa5b3;
  color-scheme:dark;`

export const STYLE = `
:root{${LIGHT}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${DARK}}}
:root[data-theme=dark]{${DARK}}
@media print{:root,:root:not([data-theme=light]),:root[data-theme=dark]{${LIGHT}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.page{max-width:1088px;margin:0 auto;padding:0 24px 72px}
a{color:var(--accent)}
a:focus-visible,button:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--paper);padding:4px 8px}
header.top{display:flex;gap:16px;align-items:baseline;justify-content:space-between;padding:28px 0 0}
.brand{font-size:14px;color:var(--muted)}
.brand b{color:var(--ink);font-weight:650}
h1{font-size:15px;font-weight:600;margin:0}
h2{font-size:23px;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:0 0 6px}
h3{font-size:16px;font-weight:650;margin:30px 0 4px}
h4{font-size:14px;font-weight:650;margin:14px 0 2px}
p{margin:0 0 10px;max-width:46em}
.lead{font-size:21px;line-height:1.5;letter-spacing:-.005em;margin:16px 0 0;max-width:44em}
.lead p{margin:0 0 8px;max-width:none}
.note{color:var(--muted);font-size:14px}
.figures{display:grid;grid-template-columns:repeat(6,1fr);gap:1px;background:var(--rule);border:1px solid var(--rule);border-radius:8px;overflow:hidden;margin:26px 0 26px}
.figures>div{background:var(--paper);padding:12px 14px 12px;display:flex;flex-direction:column}
.figures dt{font-size:13px;color:var(--muted);line-height:1.3}
.figures dd{margin:0}
.figures .value{font-size:26px;line-height:1.3;font-weight:650;letter-spacing:-.02em}
.figures .bad{color:var(--bad)}
.figures .of{font-size:12.5px;color:var(--muted);line-height:1.35}
nav{border-top:1px solid var(--rule);border-bottom:1px solid var(--rule);padding:9px 0;margin:30px 0 0;font-size:14px}
nav ol{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:0;padding:0}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
section{padding-top:46px}
figure{margin:14px 0 0}
h3+figure,h3+.note{margin-top:2px}
figcaption{font-size:14px;color:var(--muted);max-width:56em;margin:0 0 8px}
figcaption b{color:var(--ink);font-weight:650}
svg{display:block;width:100%;height:auto}
.narrow{display:none}
.small svg{max-width:340px}
.trio{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:8px 28px}
ul.key{list-style:none;display:flex;flex-wrap:wrap;gap:3px 16px;margin:8px 0 0;padding:0;font-size:13px;color:var(--muted)}
ul.key li{display:flex;gap:6px;align-items:center}
ul.key i{width:13px;height:13px;border-radius:3px;flex:none;-webkit-print-color-adjust:exact;print-color-adjust:exact}
ul.key i.line{height:3px;border-radius:0}
ul.key b.sign{display:inline-flex;width:17px;height:17px;border:1px solid var(--ink);border-radius:50%;font-size:10px;align-items:center;justify-content:center;color:var(--ink);flex:none}
details{margin:8px 0 0;font-size:14px}
summary{cursor:pointer;color:var(--muted);width:max-content;max-width:100%}
.scroll{overflow-x:auto;margin:8px 0 0}
table{border-collapse:collapse;font-size:14px;width:100%}
caption{text-align:left;color:var(--muted);font-size:13px;padding:0 0 4px}
th,td{padding:5px 10px 5px 0;text-align:right;border-bottom:1px solid var(--rule);vertical-align:top;white-space:nowrap}
th{font-weight:600;color:var(--muted);font-size:13px;vertical-align:bottom}
th:first-child,td:first-child,.left{text-align:left}
td:first-child,th:first-child{white-space:normal;min-width:9em}
tbody th{color:var(--ink);font-weight:500;font-size:14px}
tr.rest td,tr.rest th{color:var(--muted);font-style:italic}
th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;text-align:inherit}
th button::after{content:"\\2195";opacity:.4;margin-left:3px;font-size:11px}
th[aria-sort=ascending] button::after{content:"\\2191";opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";opacity:1}
button.theme{font:inherit;font-size:13px;color:var(--muted);background:none;border:1px solid var(--rule);border-radius:6px;padding:3px 10px;cursor:pointer}
.trees{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:18px 36px}
ul.tree,ul.tree ul{list-style:none;margin:0;padding:0}
ul.tree{font-size:13.5px;margin-top:6px}
ul.tree ul{margin-left:7px;border-left:1px solid var(--rule);padding-left:13px}
ul.tree li>.row{display:grid;grid-template-columns:minmax(0,1fr) 28% 9.5em;gap:10px;align-items:baseline;padding:1.5px 0}
ul.tree.steps li>.row{grid-template-columns:minmax(0,1fr) 20% 9.5em}
ul.tree .bar{display:block;height:9px;background:var(--cell);border-radius:2px;overflow:hidden;-webkit-print-color-adjust:exact;print-color-adjust:exact}
ul.tree .bar i{display:block;height:100%;background:var(--accent);min-width:2px}
ul.tree .n{text-align:right;color:var(--muted);white-space:nowrap}
.tag{display:inline-block;font-size:12px;padding:0 7px;border-radius:9px;background:var(--panel);border:1px solid var(--rule);color:var(--muted);vertical-align:1px}
.warn{border-left:3px solid var(--bad);background:var(--panel);padding:10px 14px;margin:18px 0 0;font-size:14.5px}
.warn p,.warn ul{margin:0 0 4px}
footer{margin-top:56px;border-top:1px solid var(--rule);padding-top:12px;font-size:13px;color:var(--muted)}
footer p{max-width:60em}
@media (max-width:900px){.figures{grid-template-columns:repeat(3,1fr)}.trees{grid-template-columns:minmax(0,1fr)}}
@media (max-width:640px){
 .page{padding:0 15px 48px}.wide{display:none}.narrow{display:block}
 header.top{padding-top:18px}.lead{font-size:18px}h2{font-size:20px}
 .figures{grid-template-columns:repeat(2,1fr)}.trio{grid-template-columns:minmax(0,1fr)}
 .figures .value{font-size:23px}section{padding-top:36px}
 ul.tree li>.row{grid-template-columns:minmax(0,1fr) 16% 6em;gap:8px}
 ul.tree.steps li>.row{grid-template-columns:minmax(0,1fr) 16% 6em}ul.tree .n{white-space:normal}
}
@media print{
 @page{margin:14mm 12mm}
 body{font-size:10.5pt}.page{max-width:none;padding:0}nav,button.theme,.skip{display:none}
 .wide{display:block!important}.narrow{display:none!important}
 section{padding-top:20px}figure,.figures,h3,tr,ul.tree>li{break-inside:avoid}h2,h3,figcaption{break-after:avoid}
 details:not([open]){display:none}a{color:inherit;text-decoration:none}
 .lead{font-size:13pt}.figures{grid-template-columns:repeat(6,1fr)}.figures .value{font-size:15pt}
 .trio{grid-template-columns:repeat(3,minmax(0,1fr))}.trees{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px 22px}
 ul.tree{font-size:8.5pt}ul.tree li>.row{grid-template-columns:minmax(0,1fr) 18% 9em}h4+.note{font-size:9pt}
 svg *{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}`
