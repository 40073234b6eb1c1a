"""How the report looks. Colours keep a contrast of at least 4.5 to 1 for text, in both themes (WCAG 2.1)."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--paper:#f7f8fa;--card:#fff;--ink:#16202c;--soft:#566272;--line:#dde2e8;
--good:#137a3f;--good-bg:#e5f5ec;--bad:#b3261e;--bad-bg:#fcebe9;--open:#6b5200;--open-bg:#fbf3da;
--blue:#2457c5;--grey:#9aa6b4}
@media(prefers-color-scheme:dark){:root{--paper:#0f141a;--card:#171e26;--ink:#e8edf3;--soft:#9fadbc;
--line:#2a3541;--good:#5fd08e;--good-bg:#12301f;--bad:#ff8a80;--bad-bg:#3a1a18;--open:#e7c565;
--open-bg:#332a10;--blue:#7ea6ff;--grey:#66727f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:940px;margin:0 auto;padding:40px 20px 56px}
h1{font-size:28px;line-height:1.2;margin:2px 0 18px;letter-spacing:-.01em}
h2{font-size:16px;margin:0 0 10px}
.over{margin:0;color:var(--soft);font-size:13px;letter-spacing:.06em;text-transform:uppercase}
.verdict{margin:0 0 20px;padding:14px 18px;border-radius:10px;font-size:16px}
.verdict.good{background:var(--good-bg);color:var(--good)}
.verdict.bad{background:var(--bad-bg);color:var(--bad)}
.verdict.open{background:var(--open-bg);color:var(--open)}
section,.figures{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;
margin:0 0 16px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:16px 20px}
.figures div{min-width:0}
dt{color:var(--soft);font-size:13px}
dd{margin:0;font-size:22px;font-weight:600;font-variant-numeric:tabular-nums}
dd small{display:block;font-size:12.5px;font-weight:400;color:var(--soft);line-height:1.4}
.note{color:var(--soft);margin:0 0 10px;font-size:14px}section>.note:last-child{margin-bottom:0}
td.good,td.bad{padding-left:18px}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
.cause{border-color:var(--bad)}.cause p{margin:0 0 8px}.cause p:last-child{margin:0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:7px 14px 7px 0;border-bottom:1px solid var(--line);white-space:nowrap}
tr:last-child td,tbody tr:last-child th{border-bottom:0}
thead th{color:var(--soft);font-weight:500;font-size:13px}
.n{text-align:right;font-variant-numeric:tabular-nums}
.facts th{color:var(--soft);font-weight:400;width:1%;padding-right:26px;vertical-align:top}
.facts td{white-space:normal}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.bar{display:grid;grid-template-columns:84px 1fr 68px;gap:12px;align-items:center;margin:0 0 8px}
.bar span{color:var(--soft);font-size:14px}.bar em{font-style:normal;text-align:right;
font-variant-numeric:tabular-nums}
.bar i{height:12px;border-radius:6px;background:var(--line);overflow:hidden}
.bar b{display:block;height:100%;border-radius:6px;background:var(--blue)}
.bar b.trained{background:var(--grey)}
.stages{list-style:none;margin:0;padding:0}
.stages li{display:grid;grid-template-columns:22px 1fr;gap:6px;margin:0 0 10px}.stages li:last-child{margin:0}
.warned{margin:0;padding-left:20px}
svg{display:block;width:100%;min-width:560px;height:auto}
svg text{fill:var(--soft);font-size:11.5px}
svg .grid{stroke:var(--line)}svg line.gate{stroke:var(--bad);stroke-dasharray:5 4}
svg text.gate{fill:var(--bad)}
svg .curve{fill:none;stroke:var(--blue);stroke-width:1.5;opacity:.55}
svg .under{fill:var(--blue)}
svg .first{fill:var(--bad);stroke:var(--card);stroke-width:2}
footer{color:var(--soft);font-size:13px;margin-top:22px}
@media(max-width:520px){main{padding:24px 12px 36px}h1{font-size:23px}section,.figures{padding:14px}
.figures{grid-template-columns:1fr 1fr}.bar{grid-template-columns:74px 1fr 58px;gap:8px}}
@media print{body{background:#fff}section,.figures{break-inside:avoid}}
"""
