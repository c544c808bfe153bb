"""The frame of the HTML report, with its style sheet."""

from string import Template

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>$title · replay report</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #f4f5f7; --card: #ffffff; --ink: #1b2128; --soft: #5c6873; --line: #dfe4e9;
  --accent: #1054a8; --good: #17803d; --fair: #a36200; --bad: #c41620;
  --good-bg: #e2f4e8; --bad-bg: #fce4e4; --fair-bg: #fdf0d5; --bar-l: 46%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1b2128; --ink: #e7ebef; --soft: #98a4b0; --line: #2d363f;
    --accent: #6aa9f4; --good: #5fd08a; --fair: #eab35c; --bad: #ff8087;
    --good-bg: #16321f; --bad-bg: #431c20; --fair-bg: #3a2c12; --bar-l: 62%;
}
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px;
  margin-bottom: 18px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -.01em;
  overflow-wrap: anywhere; }
header span { color: var(--soft); }
h2 { font-size: 17px; margin: 0 0 12px; }
h3 { font-size: 15px; line-height: 1.3; margin: 0 0 2px; }
section, .top > div, .top > img {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
}
section { padding: 18px 20px; margin-top: 16px; }
i {
  font-style: normal; font-size: 12px; font-weight: 600; border-radius: 99px; padding: 1px 9px;
  white-space: nowrap;
}
h3 i { margin-left: 8px; }
i.good { color: var(--good); background: var(--good-bg); }
i.bad { color: var(--bad); background: var(--bad-bg); }
i.fair { color: var(--fair); background: var(--fair-bg); }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); }
.tile {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 16px;
  display: flex; flex-direction: column;
}
.tile b { font-size: 25px; line-height: 1.2; white-space: nowrap; }
.tile span { color: var(--soft); font-size: 13px; }
.tile.good b { color: var(--good); } .tile.fair b { color: var(--fair); }
.tile.bad b { color: var(--bad); }
.top { display: grid; gap: 16px; margin-top: 16px;
  grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); }
.top.plain { grid-template-columns: 1fr; }
.hero { width: 100%; display: block; }
.facts { padding: 18px 20px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 6px 16px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.chart, .scroll { overflow-x: auto; }
.chart svg { min-width: 860px; width: 100%; display: block; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  fill: var(--soft); }
.grid { stroke: var(--line); stroke-width: 1; }
.stem { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
.bar { fill: hsl(var(--hue) 62% var(--bar-l)); }
.bar.wrong { stroke: var(--bad); stroke-width: 3; }
.truth.met { fill: var(--good); opacity: .55; } .truth.missed { fill: var(--bad); }
.curve { fill: none; stroke: hsl(var(--hue) 62% var(--bar-l)); stroke-width: 2; }
.limit { fill: var(--accent); opacity: .13; }
.limitline { stroke: var(--accent); stroke-width: 3; }
.lock { fill: var(--bad); opacity: .22; }
svg text.mark { fill: var(--ink); font-weight: 600; }
.cards { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); }
article {
  display: flex; gap: 14px; align-items: center; padding: 10px; border-radius: 10px;
  border: 1px solid var(--line); border-left: 5px solid hsl(var(--hue) 62% var(--bar-l));
}
article img { flex: none; width: 68px; height: 68px; object-fit: cover; border-radius: 8px;
  background: var(--line); }
article p { margin: 0; color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: 13px; color: var(--soft); font-weight: 500;
  white-space: nowrap; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
td:first-child { white-space: normal; min-width: 120px; }
tbody tr:last-child > * { border-bottom: 0; }
.histogram { width: 170px; height: 38px; display: block; }
.hist { fill: var(--accent); }
.confusion { width: auto; }
.confusion th { padding-right: 12px; }
.confusion td { min-width: 38px; text-align: center; padding: 6px 4px;
  border: 1px solid var(--line); }
.confusion td.hit {
  background: color-mix(in srgb, var(--good) calc(12% + 55% * var(--share)), transparent);
}
.confusion td.miss {
  background: color-mix(in srgb, var(--bad) calc(18% + 60% * var(--share)), transparent);
}
.turn { height: 150px; vertical-align: bottom; }
.turn span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 145px;
  overflow: hidden; text-overflow: ellipsis; }
.figures { display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
figure { margin: 0; } figure img { width: 100%; display: block; border-radius: 8px; }
figcaption { font-size: 13px; padding-top: 6px; color: var(--soft); }
.note { color: var(--soft); font-size: 13px; margin: -6px 0 12px; }
.changes { margin: 12px 0 0; padding: 0; list-style: none; } .changes li { padding: 3px 0; }
@media (max-width: 720px) {
  main { padding: 18px 12px 40px; }
  .top { grid-template-columns: 1fr; }
  .tiles { grid-template-columns: 1fr 1fr; }
  section, .facts { padding: 14px; }
  h1 { font-size: 21px; }
}
</style>
</head>
<body>
<main>
<header><h1>$title</h1><span>replay report</span>$state</header>
$tiles
<div class="top">$hero<div class="facts">$facts</div></div>
$body
</main>
</body>
</html>
""")
