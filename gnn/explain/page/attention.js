"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = id => document.getElementById(id);
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
  const layers = data.layers.map(l => ({
    heads: l.heads, source: new Int32Array(bytes(l.source)), target: new Int32Array(bytes(l.target)), alpha: new Float32Array(bytes(l.alpha)),
  }));
  const names = data.names, N = names.length, frames = data.frames ? data.frames.length : 1;
  const frameOf = data.frame || new Array(N).fill(0), placeOf = data.place || names.map((_, i) => i);
  const state = { layer: 0, head: -1, threshold: 0, frame: 0, color: null, hover: -1, pinned: -1, playing: 0, view: d3.zoomIdentity };
  const base = $("base"), top = $("top"), pen = base.getContext("2d"), over = top.getContext("2d");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let width = 1, height = 1, weight, entropy, shown, entering, leaving, tree, largest = 1, waiting = 0, settled = true;

  // ---- what is shown: the weights of a layer and head, the edges and nodes of a frame
  function weigh() {
    const l = layers[state.layer], H = l.heads, E = l.source.length;
    weight = new Float64Array(E);
    for (let e = 0; e < E; e++) {
      if (state.head >= 0) weight[e] = l.alpha[e * H + state.head];
      else { let sum = 0; for (let h = 0; h < H; h++) sum += l.alpha[e * H + h]; weight[e] = sum / H; }
    }
    entering = Array.from({ length: N }, () => []); leaving = Array.from({ length: N }, () => []);
    entropy = new Float64Array(N);
    for (let e = 0; e < E; e++) {
      entering[l.target[e]].push(e); leaving[l.source[e]].push(e);
      if (weight[e] > 0) entropy[l.target[e]] -= weight[e] * Math.log(weight[e]);
    }
    for (let i = 0; i < N; i++) entropy[i] = entering[i].length > 1 ? entropy[i] / Math.log(entering[i].length) : 0;
    pick();
  }
  function pick() {
    const l = layers[state.layer];
    shown = []; largest = 1e-9;
    for (let e = 0; e < weight.length; e++) {
      const s = l.source[e], t = l.target[e];
      if (frameOf[t] !== state.frame || frameOf[s] !== state.frame) continue;
      if (s !== t && weight[e] > largest) largest = weight[e];
      if (weight[e] >= state.threshold) shown.push(e);
    }
    shown.sort((a, b) => weight[a] - weight[b]);
    index(); panel(); matrix(); draw();
  }
  const current = () => names.map((_, i) => i).filter(i => frameOf[i] === state.frame);

  // ---- where the nodes are
  const places = Math.max(0, ...placeOf) + 1;
  const at = data.pos ? null : Array.from({ length: places }, (_, i) => ({ index: i, x: Math.cos(2 * Math.PI * i / places - Math.PI / 2) * 100, y: Math.sin(2 * Math.PI * i / places - Math.PI / 2) * 100 }));
  const X = i => at ? at[placeOf[i]].x : data.pos[i][0], Y = i => at ? at[placeOf[i]].y : data.pos[i][1];
  const sx = i => state.view.applyX(X(i)), sy = i => state.view.applyY(Y(i));
  function index() { tree = d3.quadtree(current(), X, Y); }
  function arrange() {
    if (!at || places <= 12) return;
    at.forEach(p => { delete p.x; delete p.y; });  // d3 lays them on a spiral to begin with
    const l = layers[0], seen = new Set(), links = [];
    for (let e = 0; e < l.source.length; e++) {
      const s = placeOf[l.source[e]], t = placeOf[l.target[e]], key = s < t ? s * places + t : t * places + s;
      if (s !== t && !seen.has(key)) { seen.add(key); links.push({ source: s, target: t }); }
    }
    const pull = places > 400 ? 0.06 : 0.03;
    const moving = d3.forceSimulation(at).force("link", d3.forceLink(links).distance(24)).force("x", d3.forceX().strength(pull)).force("y", d3.forceY().strength(pull))
      .force("charge", d3.forceManyBody().strength(-40).distanceMax(600).theta(1)).alphaDecay(places > 1000 ? 0.045 : 0.03).stop();
    settled = false;
    const step = () => {
      for (const until = performance.now() + (places > 1000 ? 400 : 40); performance.now() < until && moving.alpha() > moving.alphaMin();) moving.tick();
      settled = moving.alpha() <= moving.alphaMin();
      index(); fit(); if (!settled) requestAnimationFrame(step);
    };
    if (places <= 400) { moving.tick(250); settled = true; index(); } else step();
  }
  function fit() {
    let [l, r, t, b] = [Infinity, -Infinity, Infinity, -Infinity];
    const canvas = data.canvas;
    if (canvas) [l, r, t, b] = [0, canvas[0], 0, canvas[1]];
    else for (let i = 0; i < N; i++) { l = Math.min(l, X(i)); r = Math.max(r, X(i)); t = Math.min(t, Y(i)); b = Math.max(b, Y(i)); }
    const edge = canvas ? 8 : places <= 12 ? 76 : 44, k = Math.min((width - 2 * edge) / Math.max(r - l, 1e-6), (height - 2 * edge) / Math.max(b - t, 1e-6), canvas || places > 12 ? 40 : 2.6);
    d3.select(top).call(zoom.transform, d3.zoomIdentity.translate(width / 2 - k * (l + r) / 2, height / 2 - k * (t + b) / 2).scale(k));
  }
  const small = () => current().length <= 60;
  const radius = () => { const n = current().length; return n <= 12 ? 17 : n <= 60 ? 8 : Math.max(1.6, Math.min(7, 2.6 * Math.sqrt(Math.min(state.view.k, 4)) * (n > 1500 ? 0.8 : 1.2))); };

  // ---- colours
  const heaviest = (data.node_weight || []).reduce((a, b) => Math.max(a, b), 1e-9);
  const weightIs = data.weight_is || "weight in its frame", valueIs = data.value_is || "value";
  const told = (data.value || []).filter(v => v !== null), least = told.reduce((a, b) => Math.min(a, b), Infinity), most = told.reduce((a, b) => Math.max(a, b), -Infinity);
  const choices = [[valueIs, data.value], ["node's weight", data.node_weight], ["class", data.y && data.classes], ["prediction", data.prediction && data.classes], ["entropy", true], ["one colour", true]].filter(c => c[1]).map(c => c[0]);
  const heat = (v, w = Math.round(32 * v) / 32) => `hsl(${265 - 215 * w} 75% ${dark.matches ? 45 + 22 * w : 38 + 20 * w}%)`;
  const shade = v => dark.matches ? [130 + 125 * v, 140 + 70 * v, 165 - 45 * v, 0.16 + 0.84 * v] : [140 - 115 * v, 145 - 140 * v, 175 - 115 * v, 0.2 + 0.8 * v];
  function color(i) {
    if (data.value && state.color === valueIs) return data.value[i] === null ? "#888" : heat((data.value[i] - least) / (most - least || 1));
    const c = state.color === "class" ? data.y[i] : state.color === "prediction" ? data.prediction[i] : null;
    return c !== null ? (c < 0 ? "#888" : data.colors[c]) : state.color === "entropy" ? heat(entropy[i]) : state.color === "node's weight" ? heat(data.node_weight[i] / heaviest) : "#4c9be8";
  }
  const inkOn = c => { const m = /^#(..)(..)(..)$/.exec(c); return !m || 0.299 * parseInt(m[1], 16) + 0.587 * parseInt(m[2], 16) + 0.114 * parseInt(m[3], 16) < 105 ? "#fff" : "#000"; };
  function legend() {
    const list = $("legend"); list.replaceChildren();
    if (["entropy", "node's weight", valueIs].includes(state.color)) {
      const item = list.appendChild(document.createElement("li")), bar = document.createElement("span");
      bar.className = "scale"; bar.style.background = `linear-gradient(90deg, ${[0, .25, .5, .75, 1].map(v => heat(v)).join(",")})`;
      item.append(...state.color === "entropy" ? ["entropy of the attention", bar, "0: one neighbour … 1: all alike"] : state.color === valueIs ? [valueIs, bar, `${least.toPrecision(4)} … ${most.toPrecision(4)}`] : [`the node's ${weightIs}`, bar, `0 … ${heaviest.toFixed(3)}`]);
    } else if (state.color === "class" || state.color === "prediction") {
      const used = new Set(state.color === "class" ? data.y : data.prediction);
      data.classes.forEach((name, c) => { if (!used.has(c)) return; const item = list.appendChild(document.createElement("li")), dot = item.appendChild(document.createElement("i")); dot.style.background = data.colors[c]; item.append(name); });
    }
    list.hidden = !list.children.length;
  }

  // ---- drawing
  const pictures = (data.frames || []).map(f => { if (!f.picture) return null; const image = new Image(); image.onload = draw; image.src = f.picture; return image; });
  function line(c, s, t, bend, tip) {
    const r = radius(), x0 = sx(s), y0 = sy(s), x1 = sx(t), y1 = sy(t), dx = x1 - x0, dy = y1 - y0, d = Math.hypot(dx, dy) || 1;
    if (!bend) { c.moveTo(x0, y0); c.lineTo(x1, y1); return; }
    const mx = (x0 + x1) / 2 - dy * 0.14, my = (y0 + y1) / 2 + dx * 0.14, a = Math.atan2(y1 - my, x1 - mx), ex = x1 - (r + 1) * Math.cos(a), ey = y1 - (r + 1) * Math.sin(a);
    c.moveTo(x0, y0); c.quadraticCurveTo(mx, my, ex, ey);
    if (tip && d > 2 * r) { c.moveTo(ex - tip * Math.cos(a - 0.45), ey - tip * Math.sin(a - 0.45)); c.lineTo(ex, ey); c.lineTo(ex - tip * Math.cos(a + 0.45), ey - tip * Math.sin(a + 0.45)); }
  }
  function loop(c, i) {
    const r = radius(), cx = width / 2, cy = height / 2, away = Math.atan2(sy(i) - cy, sx(i) - cx), x = sx(i) + 1.15 * r * Math.cos(away), y = sy(i) + 1.15 * r * Math.sin(away);
    c.moveTo(x + 0.75 * r, y); c.arc(x, y, 0.75 * r, 0, 7);
  }
  function thin(l) {  // many lines, written pixel by pixel: a canvas drawn in software strokes them a hundred times slower
    const W = base.width, H = base.height, ratio = W / width, image = pen.createImageData(W, H), to = image.data;
    pen.fillStyle = css("--paper");
    const paper = parseInt(pen.fillStyle.slice(1), 16);
    new Uint32Array(to.buffer).fill(0xff000000 | (paper & 255) << 16 | paper & 0xff00 | paper >> 16);
    const xs = names.map((_, i) => sx(i) * ratio), ys = names.map((_, i) => sy(i) * ratio), tones = Array.from({ length: 33 }, (_, k) => shade(k / 32));
    for (const e of shown) {
      const s = l.source[e], t = l.target[e], x = xs[s], y = ys[s], dx = xs[t] - x, dy = ys[t] - y, flat = Math.abs(dx) >= Math.abs(dy);
      const from = flat ? x : y, along = flat ? dx : dy, last = flat ? W : H, step = Math.sign(along), slope = (flat ? dy : dx) / Math.abs(along || 1);
      if (s === t || Math.max(from, from + along) < 0 || Math.min(from, from + along) >= last) continue;
      const [r, g, b, a] = tones[Math.min(32, Math.round(32 * weight[e] / largest))], first = Math.max(0, Math.ceil(step > 0 ? -from : from - last + 1)), end = Math.min(Math.abs(along), step > 0 ? last - 1 - from : from);
      for (let k = first; k <= end; k++) {
        const p = Math.floor(from + step * k), q = (flat ? y : x) + slope * k, low = Math.floor(q);
        for (let side = 0; side < 2; side++) {  // the two pixels that the line lies between
          const c = low + side, share = a * (side ? q - low : 1 - q + low);
          if (c < 0 || c >= (flat ? H : W)) continue;
          const o = 4 * (flat ? c * W + p : p * W + c);
          to[o] += (r - to[o]) * share; to[o + 1] += (g - to[o + 1]) * share; to[o + 2] += (b - to[o + 2]) * share;
        }
      }
    }
    pen.putImageData(image, 0, 0);
  }
  function draw() {
    const ratio = devicePixelRatio || 1, l = layers[state.layer], some = current(), few = small(), r = radius(), picture = pictures[state.frame];
    const faintest = picture && shown.length ? weight[shown[0]] : 0;  // over a picture the weakest edges are faint, however strong
    pen.setTransform(ratio, 0, 0, ratio, 0, 0); pen.clearRect(0, 0, width, height); pen.lineCap = "butt";
    if (picture && picture.complete) { pen.globalAlpha = 0.9; pen.drawImage(picture, state.view.applyX(0), state.view.applyY(0), data.canvas[0] * state.view.k, data.canvas[1] * state.view.k); pen.globalAlpha = 1; }
    if (!few && !picture) thin(l);
    else for (const e of shown) {
      const v = Math.min(1, (weight[e] - faintest) / (largest - faintest || 1)), s = l.source[e], t = l.target[e];
      pen.beginPath();
      if (s !== t) line(pen, s, t, few, few ? 7 + 4 * v : 0); else if (few && !picture) loop(pen, s);
      pen.strokeStyle = picture ? `hsla(${48 - 40 * v} 100% 52% / ${0.1 + 0.9 * v * v})` : `rgba(${shade(v)})`; pen.lineWidth = few ? 0.8 + 5.2 * v : 1; pen.stroke();
    }
    const groups = new Map();
    for (const i of some) { const c = color(i); if (!groups.has(c)) groups.set(c, []); groups.get(c).push(i); }
    for (const [c, members] of groups) { pen.beginPath(); for (const i of members) if (r < 3) pen.rect(sx(i) - r, sy(i) - r, 2 * r, 2 * r); else { pen.moveTo(sx(i) + r, sy(i)); pen.arc(sx(i), sy(i), r, 0, 7); } pen.fillStyle = c; pen.fill(); if (r > 3) { pen.strokeStyle = css("--soft"); pen.lineWidth = 0.8; pen.stroke(); } }
    if (few && !picture) for (const i of some) label(pen, i, color(i));
    drawn = state.view;
    highlight();
  }
  let drawn = state.view;
  function label(c, i, fill) {
    const r = radius(), inside = r > 12 && names[i].length <= 4;
    c.font = `${inside ? 14 : 11}px system-ui, sans-serif`; c.textBaseline = "middle"; c.textAlign = inside ? "center" : "left";
    c.fillStyle = inside ? inkOn(fill) : css("--ink");
    const text = names[i].length > 24 ? names[i].slice(0, 23) + "…" : names[i], left = !inside && sx(i) + r + 3 + c.measureText(text).width > width;
    if (left) c.textAlign = "right";
    const x = inside ? sx(i) : left ? sx(i) - r - 3 : sx(i) + r + 3;
    if (!inside) { c.strokeStyle = css("--paper"); c.lineWidth = 3; c.strokeText(text, x, sy(i)); }
    c.fillText(text, x, sy(i));
  }
  const active = () => state.hover >= 0 ? state.hover : state.pinned;
  function highlight() {
    const ratio = devicePixelRatio || 1, i = active(), l = layers[state.layer], r = radius();
    over.setTransform(ratio, 0, 0, ratio, 0, 0); over.clearRect(0, 0, width, height);
    if (i < 0 || frameOf[i] !== state.frame) return;
    const near = new Set([i]);
    for (const [edges, end, ink] of [[leaving[i], l.target, css("--out")], [entering[i], l.source, css("--in")]]) {
      over.strokeStyle = ink; over.globalAlpha = 0.85;
      for (const e of edges) {
        if (weight[e] < state.threshold || frameOf[end[e]] !== state.frame) continue;
        near.add(end[e]); over.lineWidth = 1 + 5 * Math.min(1, weight[e] / largest); over.beginPath();
        if (l.source[e] === l.target[e]) loop(over, i); else line(over, l.source[e], l.target[e], true, 9);
        over.stroke();
      }
    }
    over.globalAlpha = 1;
    for (const j of near) { over.beginPath(); over.arc(sx(j), sy(j), Math.max(r, 4) + (j === i ? 2 : 0), 0, 7); over.fillStyle = color(j); over.fill(); over.strokeStyle = css("--ink"); over.lineWidth = j === i ? 2.5 : 1; over.stroke(); }
    if (near.size <= 40) for (const j of near) label(over, j, color(j)); else label(over, i, color(i));
  }
  const zoom = d3.zoom().scaleExtent([0.005, 200]).on("zoom", event => {
    state.view = event.transform;
    if (shown.length < 3000) { draw(); return; }  // else move the drawn picture, and draw when the hand rests
    const k = state.view.k / drawn.k;
    base.style.transformOrigin = "0 0"; base.style.transform = `translate(${state.view.x - drawn.x * k}px,${state.view.y - drawn.y * k}px) scale(${k})`;
    over.clearRect(0, 0, width, height); clearTimeout(waiting);
    waiting = setTimeout(() => { base.style.transform = ""; draw(); }, 120);
  });

  // ---- words and numbers
  const tag = (name, text, parent) => { const made = document.createElement(name); if (text !== undefined) made.textContent = text; if (parent) parent.append(made); return made; };
  const number = v => v.toFixed(4);
  function rows(parent, title, edges, end, side, note) {
    tag("h3", title, parent);
    const table = tag("table", undefined, parent), sum = edges.reduce((total, e) => total + weight[e], 0), most = 14;
    table.className = side;
    [...edges].sort((a, b) => weight[b] - weight[a]).slice(0, most).forEach(e => {
      const row = tag("tr", undefined, table), j = end[e]; row.dataset.node = j; row.dataset.weight = weight[e];
      tag("td", names[j] + (frameOf[j] !== state.frame ? ` (${data.frames[frameOf[j]].title})` : ""), row);
      const bar = tag("span", undefined, tag("td", undefined, row)); bar.className = "bar"; bar.style.width = `${100 * Math.min(1, weight[e] / (note ? 1 : Math.max(1, largest)))}%`;
      tag("td", number(weight[e]), row); row.onclick = () => choose(j);
    });
    if (edges.length > most) { const row = tag("tr", undefined, table); tag("td", `${edges.length - most} more`, row); tag("td", "", row); tag("td", "", row); }
    if (note) { const row = tag("tr", undefined, table); row.className = "sum"; tag("td", note, row); tag("td", "", row); tag("td", number(sum), row); }
  }
  function course(box, i) {  // the node's values over all frames, those that are forecast dashed
    const own = []; placeOf.forEach((p, j) => { if (p === placeOf[i]) own[frameOf[j]] = data.value[j]; });
    const known = own.filter(v => v !== null), low = Math.min(...known), high = Math.max(...known), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const x = t => 4 + 292 * t / Math.max(1, frames - 1), y = v => 66 - 58 * (v - low) / (high - low || 1);
    const draw = (kind, d) => { const made = document.createElementNS(svg.namespaceURI, "path"); made.setAttribute("class", kind); made.setAttribute("d", d); svg.append(made); };
    const path = (from, to) => own.slice(from, to).map((v, k) => v === null ? "" : `${k && own[from + k - 1] !== null ? "L" : "M"}${x(from + k)} ${y(v)}h.01`).join("");
    svg.setAttribute("viewBox", "0 0 300 70"); svg.setAttribute("class", "course"); svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `from ${low.toPrecision(4)} to ${high.toPrecision(4)}, ${frames - data.read} of ${frames} forecast`);
    draw("now", `M${x(state.frame)} 0V70`); draw("read", path(0, data.read)); draw("ahead", path(Math.max(0, data.read - 1), frames));
    box.append(svg); tag("p", `${low.toPrecision(4)} … ${high.toPrecision(4)}; dashed: forecast`, box);
  }
  function panel() {
    const box = $("panel"), i = active(), l = layers[state.layer]; box.replaceChildren();
    if (i < 0 || frameOf[i] !== state.frame) { tag("p", `${current().length} nodes, ${shown.length} edges. Point at a node to see whom it listens to.`, box); return; }
    const title = tag("h2", names[i], box); title.id = "node";
    const facts = [];
    if (data.y && data.y[i] >= 0) facts.push(`class ${data.classes[data.y[i]]}`);
    if (data.prediction) facts.push(`predicted ${data.classes[data.prediction[i]]} (${data.certainty[i].toFixed(2)})`);
    if (data.value) facts.push(`${valueIs} ${data.value[i] === null ? "missing" : +data.value[i].toPrecision(5)}`);
    if (data.node_weight) facts.push(`${weightIs} ${data.node_weight[i].toFixed(3)}`);
    facts.push(`entropy ${entropy[i].toFixed(2)}`); tag("p", facts.join(" · "), box);
    if (data.value) course(box, i);
    rows(box, "listens to", entering[i], l.source, "from", "sum");
    rows(box, "is listened to by", leaving[i], l.target, "to");
  }
  function matrix() {
    const box = $("matrix"), some = current(), l = layers[state.layer]; box.replaceChildren();
    if (some.length > 16) return;
    tag("h3", "α[target, source]: a row sums to 1", box);
    const table = tag("table", undefined, box), head = tag("tr", undefined, table); tag("th", "", head);
    some.forEach(j => tag("th", names[j], head));
    for (const t of some) {
      const row = tag("tr", undefined, table); tag("th", names[t], row);
      const sums = new Map(); for (const e of entering[t]) sums.set(l.source[e], (sums.get(l.source[e]) || 0) + weight[e]);
      for (const s of some) { const v = sums.get(s), cell = tag("td", v === undefined ? "" : v.toFixed(2), row); if (v !== undefined) { cell.style.background = `color-mix(in srgb, #6a1b9a ${Math.round(100 * v)}%, var(--panel))`; if (v > 0.5) cell.style.color = "#fff"; cell.onmouseenter = () => { cell.className = "on"; hover(t); }; cell.onmouseleave = () => { cell.className = ""; hover(-1); }; } }
    }
  }
  function hover(i) { if (i !== state.hover) { state.hover = i; panel(); highlight(); } }
  function choose(i) { state.hover = -1; state.pinned = i; if (i >= 0 && frameOf[i] !== state.frame) showFrame(frameOf[i]); else { panel(); highlight(); } }
  const under = event => {
    const box = top.getBoundingClientRect(), [x, y] = state.view.invert([event.clientX - box.left, event.clientY - box.top]);
    const found = tree.find(x, y, (radius() + 6) / state.view.k); return found === undefined ? -1 : found;
  };

  // ---- time
  function showFrame(t) {
    const followed = state.pinned >= 0 ? placeOf[state.pinned] : -1;
    state.frame = t; state.hover = -1; $("frame").value = t; $("frame-value").textContent = data.frames[t].title;
    if (followed >= 0) state.pinned = names.findIndex((_, i) => frameOf[i] === t && placeOf[i] === followed);
    [...$("bars").children].forEach((bar, k) => bar.classList.toggle("now", k === t)); pick();
  }
  function play() {
    clearInterval(state.playing); state.playing = state.playing ? 0 : setInterval(() => showFrame((state.frame + 1) % frames), 400);
    $("play").textContent = state.playing ? "❚❚" : "▶"; $("play").setAttribute("aria-label", state.playing ? "pause" : "play");
  }

  // ---- controls
  function settings() {
    const l = layers[state.layer];
    $("layer").max = layers.length; $("layer").value = state.layer + 1; $("layer-value").textContent = `${state.layer + 1} of ${layers.length}`;
    state.head = l.heads > 1 ? Math.min(state.head, l.heads - 1) : -1; $("head").max = l.heads > 1 ? l.heads : 0; $("head").disabled = l.heads < 2;
    $("head").value = state.head + 1; $("head-value").textContent = l.heads < 2 ? "one" : state.head < 0 ? "mean" : `${state.head}`;
    $("threshold-value").textContent = state.threshold.toFixed(3);
  }
  $("layer").oninput = event => { state.layer = event.target.value - 1; settings(); weigh(); };
  $("head").oninput = event => { state.head = event.target.value - 1; settings(); weigh(); };
  $("threshold").oninput = event => { state.threshold = (event.target.value / 100) ** 2; settings(); pick(); };
  $("colour").oninput = event => { state.color = event.target.value; legend(); draw(); };
  choices.forEach(name => tag("option", name, $("colour")));
  state.color = choices[0];
  if (N <= 5000) [...new Set(names)].forEach(name => { tag("option", undefined, $("names")).value = name; });
  $("search").oninput = event => {
    const asked = event.target.value.toLowerCase(); if (!asked) { choose(-1); return; }
    const some = current(), found = some.find(i => names[i].toLowerCase() === asked) ?? some.find(i => names[i].toLowerCase().startsWith(asked)) ?? some.find(i => names[i].toLowerCase().includes(asked));
    if (found !== undefined) { choose(found); if (!small()) d3.select(top).call(zoom.translateTo, X(found), Y(found)); }
  };
  const scaled = k => d3.select(top).call(zoom.scaleBy, k);
  $("nearer").onclick = () => scaled(1.5); $("farther").onclick = () => scaled(1 / 1.5); $("fit").onclick = fit;
  top.onpointermove = event => { if (event.pointerType !== "touch") hover(under(event)); };
  top.onpointerleave = () => hover(-1);
  top.onclick = event => choose(under(event));
  top.onkeydown = event => {
    const some = current(), i = active(), k = some.indexOf(i), l = layers[state.layer];
    const strongest = i < 0 ? [] : entering[i].filter(e => l.source[e] !== i && frameOf[l.source[e]] === state.frame).sort((a, b) => weight[b] - weight[a]);
    const does = {
      ArrowRight: () => choose(some[(k + 1) % some.length]), ArrowLeft: () => choose(some[(k <= 0 ? some.length : k) - 1]),
      ArrowUp: () => { if (strongest.length) choose(l.source[strongest[0]]); }, Enter: () => choose(i), Escape: () => choose(-1),
      "+": () => scaled(1.5), "=": () => scaled(1.5), "-": () => scaled(1 / 1.5), 0: fit,
      ...(frames > 1 ? { " ": play, ",": () => showFrame((state.frame + frames - 1) % frames), ".": () => showFrame((state.frame + 1) % frames) } : {}),
    }[event.key];
    if (does) { does(); event.preventDefault(); }
  };
  if (frames > 1) {
    $("time").hidden = $("time-keys").hidden = false; $("frame").max = frames - 1;
    const tallest = Math.max(...data.frames.map(f => f.weight ?? 0), 1e-9);
    data.frames.forEach((f, t) => { const bar = tag("i", undefined, $("bars")); bar.style.height = `${f.weight == null ? 6 : 100 * f.weight / tallest}%`; bar.title = f.weight == null ? f.title : `${f.title}: ${f.weight.toFixed(3)}`; bar.onclick = () => showFrame(t); });
    $("frame").oninput = event => showFrame(+event.target.value); $("play").onclick = play;
  }
  function resize() {
    const box = top.parentElement.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    width = box.width; height = box.height;
    for (const canvas of [base, top]) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    fit(); draw();
  }
  dark.addEventListener("change", () => { legend(); draw(); });
  d3.select(top).call(zoom).on("dblclick.zoom", fit);
  settings(); weigh(); arrange(); legend(); resize(); addEventListener("resize", resize);
  if (frames > 1) showFrame(0);
  if (data.center != null) choose(data.center);
  // for whoever drives the page: where a node is on the screen, and whether the nodes have come to rest
  window.attention = {
    place: name => { const i = current().find(i => names[i] === name), box = top.getBoundingClientRect(); return i === undefined ? null : { x: box.left + sx(i), y: box.top + sy(i) }; },
    settled: () => settled,
  };
})();
