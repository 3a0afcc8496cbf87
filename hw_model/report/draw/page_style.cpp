#include "hw_model/report/draw/page_style.hpp"

namespace spikeloom {

std::string_view page_style() {
  return R"css(:root{--bg:#fff;--ink:#1b1f24;--muted:#57606a;--grid:#dfe3e8;--line:#8c959f;--soft:#f6f8fa;
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b3589a;--s4:#e69f00;--s5:#56b4e9;--s6:#7a7f87;--s7:#4b3f9e;
--lose:#b54708;--win:#05664a;--warn:#8a5a00}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--ink:#e6e9ec;--muted:#a6aeb7;--grid:#2e343b;--line:#77808a;--soft:#1d2126;
--s0:#4aa8e0;--s1:#f08a4b;--s2:#2fc49b;--s3:#d99cc6;--s4:#f2c14e;--s5:#a5d8f7;--s6:#a2a9b1;--s7:#9d92ec;
--lose:#ff9a5c;--win:#4fd6ae;--warn:#f2c14e}}
@media print{:root{--bg:#fff;--ink:#000;--muted:#444;--grid:#ddd;--line:#888;--soft:#fff;
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b3589a;--s4:#e69f00;--s5:#56b4e9;--s6:#7a7f87;--s7:#4b3f9e;
--lose:#b54708;--win:#05664a;--warn:#8a5a00}}
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:20px 16px 40px;max-width:1060px;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:18px;line-height:1.3;margin:0 0 6px;overflow-wrap:anywhere}
h3{font-size:15px;margin:20px 0 4px;overflow-wrap:anywhere}
p{margin:6px 0;max-width:85ch;overflow-wrap:anywhere}
ul{margin:6px 0;padding-left:22px;max-width:85ch;overflow-wrap:anywhere}
.sub{color:var(--muted);margin:2px 0 14px}
section{margin-top:34px;border-top:1px solid var(--grid);padding-top:16px}
.verdict{max-width:none;font-size:18px;line-height:1.4;margin:14px 0;padding:12px 16px;border:2px solid var(--line);border-left-width:10px;border-radius:4px}
.verdict.loses{border-color:var(--lose)}.verdict.loses strong{color:var(--lose)}
.verdict.wins{border-color:var(--win)}.verdict.wins strong{color:var(--win)}
nav ul{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;padding:0;margin:14px 0 0;font-size:14px;max-width:none}
a{color:var(--s0)}svg a text{fill:var(--s0)}
.warning{max-width:none;margin:10px 0;padding:8px 14px;border:1px solid var(--warn);border-left-width:6px;border-radius:4px}
.warning::before{content:"Note: ";font-weight:600;color:var(--warn)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px;margin:14px 0}
.facts div{border:1px solid var(--grid);border-radius:4px;padding:8px 12px;background:var(--soft)}
.facts dt{color:var(--muted);font-size:13px}
.facts dd{margin:0;font-size:17px;font-weight:600;overflow-wrap:anywhere}
.facts dd.hash{font:600 13px/1.9 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
.facts small{display:block;font:400 13px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:var(--muted)}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;padding:0;margin:10px 0;font-size:14px;max-width:none}
.legend li{display:flex;align-items:center;gap:7px}
.key{width:12px;height:12px;flex:none}.ramp{width:104px;height:12px;flex:none}
.defs{position:absolute}
.wide svg,.narrow svg{display:block;width:100%;height:auto}
.wide svg+svg,.narrow svg+svg{margin-top:14px}
.narrow{display:none;max-width:520px}
@media (max-width:799px){.wide{display:none}.narrow{display:block}}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
svg text.m{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
svg text:not([class]){font-size:12px}
svg text.h{font-size:12px;font-weight:600}
svg text.n{fill:var(--muted)}
.g{stroke:var(--grid);fill:none}.x{stroke:var(--line);fill:none}.o{stroke:var(--line);fill:none}.f{fill:var(--soft)}
.q{stroke:var(--s0);fill:none}
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}.s4{fill:var(--s4)}.s5{fill:var(--s5)}.s6{fill:var(--s6)}.s7{fill:var(--s7)}
.l0,.l1,.l2,.l3,.l4,.l5,.l6,.l7{fill:none;stroke-width:2}.l1,.l3,.l5,.l7{stroke-dasharray:9 6}
.l0{stroke:var(--s0)}.l1{stroke:var(--s1)}.l2{stroke:var(--s2)}.l3{stroke:var(--s3)}.l4{stroke:var(--s4)}.l5{stroke:var(--s5)}.l6{stroke:var(--s6)}.l7{stroke:var(--s7)}
.hot{fill:none;stroke:var(--s1);stroke-width:2}
.pale{fill-opacity:.55}
details{margin:10px 0}
summary{cursor:pointer;color:var(--muted);font-size:14px}
.scroll{overflow-x:auto;margin:6px 0}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:3px 14px 3px 0;border-bottom:1px solid var(--grid)}
th{color:var(--muted);font-weight:600}
td{max-width:460px;overflow-wrap:break-word}
.r{text-align:right;white-space:nowrap}
footer{margin-top:40px;border-top:1px solid var(--grid);padding-top:10px;color:var(--muted);font-size:13px}
@page{margin:14mm}
@media print{body{max-width:none;padding:0;font-size:10.5pt}.wide{display:block}.narrow{display:none}
details::details-content{content-visibility:visible;display:block;height:auto}
summary{list-style:none}.scroll{overflow:visible}table{font-size:7.5pt}td{max-width:none}
th,td{padding-right:8px}th.r{white-space:normal}table.many{font-size:5pt}.many th,.many td{padding-right:3px}
section{margin-top:20px}h2,h3,summary,.legend,section>p{break-after:avoid}tr,svg,p{break-inside:avoid}}
)css";
}

}  // namespace spikeloom
