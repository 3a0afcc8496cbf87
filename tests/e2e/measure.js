// Run by pages.py: measures every page in an iframe, so that the pages stay as they are. Faults are texts.
const faults = [];
const box = (e) => e.getBoundingClientRect();
const apart = (a, b) => a.right - 1 <= b.left || b.right - 1 <= a.left || a.bottom - 2 <= b.top || b.bottom - 2 <= a.top;

function measureSvg(svg, where) {
  const outer = box(svg), view = svg.viewBox.baseVal;
  if (outer.width === 0 || !view || view.width === 0) return 0;
  const scale = outer.width / view.width;
  const texts = [...svg.querySelectorAll("text")].map((t) => ({box: box(t), t}));
  for (const {box: b, t} of texts) {
    const name = `${where}: "${t.textContent.slice(0, 60)}"`;
    if (b.left < outer.left - 1 || b.right > outer.right + 1 || b.top < outer.top - 1 || b.bottom > outer.bottom + 1)
      faults.push(`${name} leaves its picture`);
    const size = parseFloat(t.ownerDocument.defaultView.getComputedStyle(t).fontSize) * scale;
    if (size < 9) faults.push(`${name} is ${size.toFixed(1)} px high`);
  }
  for (let i = 0; i < texts.length; ++i) {
    for (let j = i + 1; j < texts.length; ++j) {
      if (!apart(texts[i].box, texts[j].box))
        faults.push(`${where}: "${texts[i].t.textContent.slice(0, 60)}" overlaps "${texts[j].t.textContent.slice(0, 60)}"`);
    }
  }
  return texts.length;
}

function measurePage(frame, where) {
  const page = frame.contentDocument, root = page.documentElement;
  for (const d of page.querySelectorAll("details")) d.open = true;
  if (root.scrollWidth > root.clientWidth) faults.push(`${where}: ${root.scrollWidth} wide in ${root.clientWidth}`);
  for (const e of page.querySelectorAll("body *")) {
    if (e.closest(".scroll") && !e.matches(".scroll")) continue;  // scrolls inside its box
    if (e.closest("svg")) continue;
    const b = box(e);
    if (b.width > 0 && b.right > root.clientWidth + 1) faults.push(`${where}: <${e.tagName} ${e.className}> is cut at the right`);
    if (!e.matches(".scroll") && b.width > 0 && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 &&
        frame.contentWindow.getComputedStyle(e).overflowX !== "visible")
      faults.push(`${where}: <${e.tagName} ${e.className}> hides text`);
  }
  let texts = 0, svgs = 0;
  for (const svg of page.querySelectorAll("svg")) {
    texts += measureSvg(svg, where);
    svgs += box(svg).width > 0 ? 1 : 0;
  }
  return {where, texts, svgs, title: page.title, background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
          ink: frame.contentWindow.getComputedStyle(page.body).color};
}

window.addEventListener("load", () => {
  const pages = [...document.querySelectorAll("iframe")].map((f) => measurePage(f, f.name));
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = JSON.stringify({faults, pages});
  document.body.replaceChildren(out);
});
