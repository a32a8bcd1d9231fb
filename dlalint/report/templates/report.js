
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const MOST = 200; // entries of a list
  const drawn = new Map();

  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    for (const child of children) if (child !== "" && child != null) element.append(child); // strings become text, never markup
    return element;
  };
  const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

  class Picture {
    constructor(root) {
      const one = (name) => root.querySelector(`[data-${name}]`);
      this.data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
      this.canvas = root.querySelector(".canvas");
      [this.layer, this.panel, this.status, this.hits, this.strip] = ["layer", "panel", "status", "hits", "strip"].map(one);
      [this.view, this.device, this.rule, this.search] = ["view", "device", "rule", "search"].map(one);
      this.root = root;
      this.byNode = new Map();
      this.data.findings.forEach((finding, index) => this.gather(finding, index));
      this.names = this.data.nodes.map((node) => node[0].toLowerCase());
      this.picked = this.hit = null;
      this.listen();
      this.show("overview");
      this.filter();
    }

    gather(finding, index) {
      const node = finding[2];
      if (!this.byNode.has(node)) this.byNode.set(node, []);
      this.byNode.get(node).push(index);
    }

    text(index) { return this.data.texts[index]; }

    // the view: x and y are what stands at the top left corner, k is the scale

    show(name) {
      this.view.value = name;
      this.shape = this.data[name];
      this.spans = this.shape.lines.map(([points]) => {
        const xs = points.filter((_, i) => i % 2 === 0), ys = points.filter((_, i) => i % 2 === 1);
        return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
      });
      const room = this.canvas.getBoundingClientRect();
      this.k = clamp(room.width / this.shape.width, 0.5, 1);
      const first = this.shape.boxes[0];
      const middle = this.shape.width * this.k <= room.width ? this.shape.width / 2 : first ? first[3] + first[5] / 2 : 0;
      this.x = middle - room.width / 2 / this.k;
      this.y = 0;
      this.mini();
      this.refresh();
    }

    // the strip beside the picture: all segments from top to bottom, and where the view is

    mini() {
      const rects = this.shape.boxes.filter(([kind]) => kind === "segment").map(([, number, style, , y, , height]) =>
        svg("rect", { class: style + (this.matches("segment", number) ? "" : " off"), x: 0, y, width: 10, height }));
      this.frame = svg("rect", { class: "frame", x: 0, width: 10 });
      this.strip.setAttribute("viewBox", `0 0 10 ${this.shape.height || 1}`);
      this.strip.replaceChildren(...rects, this.frame);
    }

    jump(event) {
      const strip = this.strip.getBoundingClientRect(), room = this.canvas.getBoundingClientRect();
      this.y = this.shape.height * clamp((event.clientY - strip.top) / strip.height, 0, 1) - room.height / 2 / this.k;
      this.draw();
    }

    fit() {
      const room = this.canvas.getBoundingClientRect();
      this.k = clamp(Math.min(room.width / this.shape.width, room.height / this.shape.height), 0.03, 1);
      this.x = (this.shape.width - room.width / this.k) / 2;
      this.y = (this.shape.height - room.height / this.k) / 2;
      this.draw();
    }

    zoom(factor, px, py) {
      const room = this.canvas.getBoundingClientRect();
      const ax = px ?? room.width / 2, ay = py ?? room.height / 2;
      const k = clamp(this.k * factor, 0.005, 4);
      this.x += ax / this.k - ax / k;
      this.y += ay / this.k - ay / k;
      this.k = k;
      this.draw();
    }

    move(dx, dy) {
      this.x = clamp(this.x + dx / this.k, -1000 / this.k, this.shape.width + 200);
      this.y = clamp(this.y + dy / this.k, -1000 / this.k, this.shape.height + 200);
      this.draw();
    }

    center(box) {
      const room = this.canvas.getBoundingClientRect();
      this.k = Math.max(this.k, 0.7);
      this.x = box[3] + box[5] / 2 - room.width / 2 / this.k;
      this.y = box[6] * this.k > room.height ? box[4] - 20 / this.k : box[4] + box[6] / 2 - room.height / 2 / this.k;
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.paint(); });
    }

    paint() {
      const room = this.canvas.getBoundingClientRect();
      const w = room.width / this.k, h = room.height / this.k;
      this.layer.setAttribute("transform", `scale(${this.k}) translate(${-this.x} ${-this.y})`);
      this.frame.setAttribute("y", this.y);
      this.frame.setAttribute("height", h);
      const known = this.drawnFor;
      if (known && known.k === this.k && this.x >= known.x0 && this.y >= known.y0 && this.x + w <= known.x1 && this.y + h <= known.y1) return;
      const area = { k: this.k, x0: this.x - w / 2, y0: this.y - h / 2, x1: this.x + 1.5 * w, y1: this.y + 1.5 * h };
      this.drawnFor = area;
      const rows = [];
      this.shape.boxes.forEach((box, index) => {
        const [kind, , , x, y, bw, bh] = box;
        if (x > area.x1 || y > area.y1 || x + bw < area.x0 || y + bh < area.y0) return;
        if (kind === "node" && this.k < 0.04) return; // smaller than a point
        rows.push(this.box(box, index));
      });
      this.shape.lines.forEach((line, index) => {
        const [x0, y0, x1, y1] = this.spans[index];
        if (x0 > area.x1 || y0 > area.y1 || x1 < area.x0 || y1 < area.y0) return;
        if (!line[3] && this.k < 0.15) return;
        rows.push(this.line(line));
      });
      this.layer.replaceChildren(...rows);
    }

    box(box, index) {
      const [kind, number, style, x, y, width, height, lines] = box;
      const group = svg("g", { class: style }, svg("rect", { x, y, width, height, rx: 5 }));
      if (kind !== "end") group.dataset.i = index;
      if (this.k > 0.3) {
        lines.forEach((text, row) => {
          group.append(svg("text", { x: x + 10, y: y + (kind === "node" ? 16 : 20) + 17 * row, class: row ? "" : "h" }, text));
        });
      }
      if (kind !== "end" && !this.matches(kind, number)) group.classList.add("off");
      if (this.picked && this.picked[0] === kind && this.picked[1] === number) group.classList.add("on");
      return group;
    }

    line([points, label, reformat, title]) {
      const pairs = [];
      for (let i = 0; i < points.length; i += 2) pairs.push(`${points[i]} ${points[i + 1]}`);
      const x = points[points.length - 2], y = points[points.length - 1];
      const group = svg("g", {}, svg("path", { d: `M${pairs.join("L")}` }), svg("path", { class: "solid", d: `M${x} ${y}l-4 -7h8z` }));
      if (reformat) group.append(svg("path", { class: "solid", d: `M${x} ${y - 22}l5 5l-5 5l-5 -5z` }));
      if (label && this.k > 0.3) group.append(svg("text", { x: x + 8, y: y - 13 }, label));
      if (title) group.append(svg("title", {}, title));
      return group;
    }

    // search and filters

    matches(kind, number) {
      if (kind === "node") return this.hit === null || this.hit.has(number);
      return this.hit === null || this.lit.has(number);
    }

    filter() {
      const words = this.search.value.trim().toLowerCase(), device = this.device.value, rule = this.rule.value;
      const all = !words && !device && !rule;
      const found = [];
      this.data.nodes.forEach((node, number) => {
        if (words && !this.names[number].includes(words)) return;
        if (device && node[2] !== device) return;
        if (rule && !node[5].includes(rule)) return;
        found.push(number);
      });
      found.sort((a, b) => (this.data.nodes[a][3] < 0) - (this.data.nodes[b][3] < 0)); // what is in the picture first
      this.hit = all ? null : new Set(found);
      this.lit = new Set(found.map((number) => this.data.nodes[number][3]));
      this.found = all ? [] : found;
      const total = this.data.nodes.length;
      this.status.textContent = all ? `${total} nodes` : `${found.length} of ${total} nodes match`;
      this.hits.hidden = all || !found.length;
      this.hits.replaceChildren(...this.buttons(this.found).map((button) => el("li", {}, button)));
      this.refresh();
    }

    buttons(numbers) {
      const shown = numbers.slice(0, MOST).map((number) => el("button", { type: "button", class: "node", "data-node": number }, this.data.nodes[number][0]));
      return numbers.length > MOST ? [...shown, el("span", {}, `and ${numbers.length - MOST} more`)] : shown;
    }

    refresh() { this.drawnFor = null; this.draw(); }

    // what was clicked

    pick(kind, number, centered = true) {
      if (kind === "node" && this.data.nodes[number][3] >= 0 && this.view.value !== "detail") this.show("detail");
      this.picked = [kind, number];
      const box = this.shape.boxes.find((item) => item[0] === kind && item[1] === number);
      if (box && centered) this.center(box);
      this.panel.replaceChildren(...(kind === "node" ? this.node(number) : this.segment(number)));
      this.panel.scrollTop = 0;
      this.refresh();
    }

    step(by) {
      const boxes = this.shape.boxes.filter(([kind, number]) => kind !== "end" && this.matches(kind, number));
      if (!boxes.length) return;
      const at = this.picked ? boxes.findIndex(([kind, number]) => kind === this.picked[0] && number === this.picked[1]) : -1;
      const next = boxes[at < 0 ? (by > 0 ? 0 : boxes.length - 1) : (at + by + boxes.length) % boxes.length];
      this.pick(next[0], next[1]);
    }

    node(number) {
      const [name, op, device, segment, macs, , layers] = this.data.nodes[number];
      const place = segment >= 0 ? el("button", { type: "button", class: "node", "data-segment": segment }, `segment ${segment}`) : "nothing of it remains at run time";
      const findings = this.byNode.get(number) || [];
      return [
        el("h4", {}, name),
        el("p", {}, `${this.text(op)} · ${device === "unknown" ? "not known" : device === "folded" ? device : device.toUpperCase()} · `, place),
        macs ? el("p", {}, `${macs.toLocaleString("en")} multiplications`) : "",
        ...this.layers(layers),
        findings.length ? el("h5", {}, "Findings") : "",
        ...findings.map((index) => this.finding(index)),
      ].filter(Boolean);
    }

    segment(number) {
      const [inputs, outputs, layers] = this.data.segments[number];
      const box = this.data.overview.boxes.find(([kind, at]) => kind === "segment" && at === number);
      const nodes = [];
      this.data.nodes.forEach((node, index) => { if (node[3] === number) nodes.push(index); });
      const findings = nodes.flatMap((index) => this.byNode.get(index) || []);
      const causes = [...new Set(findings.map((index) => this.data.findings[index][3]))];
      const distinct = causes.filter((index, at) => causes.findIndex((other) => this.same(index, other)) === at);
      return [
        el("h4", {}, box[7][0]),
        ...box[7].slice(1).map((line) => el("p", {}, line)),
        ...[["Inputs", inputs], ["Outputs", outputs]].flatMap(([title, list]) => [
          el("h5", {}, title),
          el("ul", {}, ...list.map(([name, shape]) => el("li", {}, shape ? `${name}: ${shape}` : name))),
        ]),
        el("h5", {}, `Nodes (${nodes.length})`),
        ...this.buttons(nodes),
        distinct.length ? el("h5", {}, "Findings") : "",
        ...distinct.slice(0, 20).map((index) => this.finding(index)),
        ...this.layers(layers),
      ].filter(Boolean);
    }

    same(a, b) {
      const [one, other] = [this.data.findings[a], this.data.findings[b]];
      return one[0] === other[0] && one[4][2] === other[4][2];
    }

    layers(numbers) {
      const rows = numbers.slice(0, MOST).map((index) => {
        const [name, kind, device, , reads, makes] = this.data.layers[index];
        return el("li", {}, el("b", {}, this.text(kind)), ` ${name} (${device}): ${this.text(reads) || "nothing"} → ${this.text(makes)}`);
      });
      const more = numbers.length > MOST ? [el("li", {}, `and ${numbers.length - MOST} more`)] : [];
      return rows.length ? [el("h5", {}, `Layers (${numbers.length})`), el("ul", {}, ...rows, ...more)] : [];
    }

    finding(index) {
      const [code, severity, , root, words, , cites] = this.data.findings[index];
      const [name, message, why, fix, observed, limit, confidence] = words.map((word) => this.text(word));
      const sources = cites.map(([title, url]) => this.text(url)
        ? el("li", {}, el("a", { href: this.text(url), rel: "noreferrer noopener" }, this.text(title)))
        : el("li", {}, this.text(title)));
      const cause = root !== index ? this.data.findings[root] : null;
      const numbers = [observed && `here ${observed}`, limit && `limit ${limit}`, confidence].filter(Boolean).join(", ");
      return el("div", { class: `found ${severity}` },
        el("p", {}, el("code", {}, code), " ", el("b", {}, name), ` (${severity})`),
        el("p", {}, message, "."),
        cause ? el("p", {}, `Follows from ${cause[0]}`, cause[2] >= 0 ? " at " : "", cause[2] >= 0 ? this.buttons([cause[2]])[0] : "", ".") : "",
        why ? el("p", {}, why) : "", fix ? el("p", {}, el("b", {}, "Fix: "), fix) : "", numbers ? el("p", {}, numbers) : "",
        sources.length ? el("ul", {}, ...sources) : "");
    }

    // events

    listen() {
      const canvas = this.canvas;
      let from = null;
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button === 0) from = { x: event.clientX, y: event.clientY, moved: false, target: event.target.closest("[data-i]") };
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!from) return;
        const dx = event.clientX - from.x, dy = event.clientY - from.y;
        if (!from.moved && Math.hypot(dx, dy) < 4) return;
        if (!from.moved) { canvas.setPointerCapture(event.pointerId); canvas.classList.add("drag"); }
        Object.assign(from, { moved: true, x: event.clientX, y: event.clientY });
        this.move(-dx, -dy);
      });
      const end = (event) => {
        if (from && !from.moved && from.target && event.type === "pointerup") {
          const [kind, number] = this.shape.boxes[from.target.dataset.i];
          this.pick(kind, number, false);
        }
        canvas.classList.remove("drag");
        from = null;
      };
      canvas.addEventListener("pointerup", end);
      canvas.addEventListener("pointercancel", end);
      canvas.addEventListener("wheel", (event) => {
        const room = canvas.getBoundingClientRect();
        const lines = event.deltaMode === 1 ? 16 : 1;
        if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY * lines / 400), event.clientX - room.left, event.clientY - room.top);
        else if (document.activeElement === canvas) this.move(event.deltaX * lines, event.deltaY * lines);
        else return;
        event.preventDefault();
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => {
        const way = this.keys()[event.key];
        if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
        way();
        event.preventDefault();
      });
      this.strip.addEventListener("pointerdown", (event) => { this.strip.setPointerCapture(event.pointerId); this.jump(event); });
      this.strip.addEventListener("pointermove", (event) => { if (this.strip.hasPointerCapture(event.pointerId)) this.jump(event); });
      this.view.addEventListener("change", () => { this.show(this.view.value); });
      for (const box of [this.device, this.rule]) box.addEventListener("change", () => this.filter());
      this.search.addEventListener("input", () => this.filter());
      this.search.addEventListener("keydown", (event) => { if (event.key === "Enter" && this.found.length) this.pick("node", this.found[0]); });
      new ResizeObserver(() => this.refresh()).observe(canvas);
    }

    keys() {
      return {
        ArrowLeft: () => this.move(-80, 0), ArrowRight: () => this.move(80, 0), ArrowUp: () => this.move(0, -80), ArrowDown: () => this.move(0, 80),
        PageUp: () => this.move(0, -500), PageDown: () => this.move(0, 500), "+": () => this.zoom(1.3), "=": () => this.zoom(1.3), "-": () => this.zoom(1 / 1.3),
        0: () => this.fit(), n: () => this.step(1), p: () => this.step(-1),
      };
    }

    act(button) {
      const { node, segment, code } = button.dataset, what = button.dataset.do;
      if (node !== undefined) this.pick("node", Number(node));
      else if (segment !== undefined) this.pick("segment", Number(segment));
      else if (code !== undefined) { this.rule.value = code; this.filter(); }
      else ({ in: () => this.zoom(1.3), out: () => this.zoom(1 / 1.3), fit: () => this.fit(), before: () => this.step(-1), after: () => this.step(1) })[what]?.();
    }
  }

  const start = (root) => {
    if (!drawn.has(root)) drawn.set(root, new Picture(root));
    return drawn.get(root);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const root = button?.closest(".model")?.querySelector("[data-picture]");
    if (!root) return;
    start(root).act(button);
    if (!root.contains(button)) root.scrollIntoView({ block: "start" });
  });
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); start(entry.target); }
  }, { rootMargin: "300px" });
  for (const root of document.querySelectorAll("[data-picture]")) seen.observe(root);
})();
