// The page: pictures and layers, the view, and the controls. It works after a change, and rests otherwise.

const LARGEST_SCALE = 1e5;
const SLACK = 1e-6; // as in cmsr/table.py
const LEVEL_RAMP = [[68, 60, 140], [40, 130, 190], [60, 190, 110], [245, 200, 40], [215, 50, 40]]; // coarse to fine
const INTENSITY_RAMP = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const SAVED_AT_ONCE = 1024; // pixels of a side of the parts in which a page without a server saves
const MOST_SAVED = 2 ** 26; // pixels that a page without a server saves
const byId = (id) => document.getElementById(id);

class Viewer {
  constructor(setup) {
    this.isFile = setup.kind === "file"; // a page of one picture with one state
    this.serves = setup.kind === "server"; // a server renders, too
    this.source = new SOURCES[setup.kind](setup);
    this.name = `page ${Math.random().toString(36).slice(2)}`;
    this.canvas = byId("canvas");
    this.painter = GlPainter.on(this.canvas) ?? new PlainPainter(this.canvas);
    this.states = new States(this);
    this.layers = [new Layer(this, "left"), new Layer(this, "right")];
    this.layout = "slider";
    this.divider = 0.5;
    this.overlay = "";
    this.threshold = null;
    this.view = { x: 0, y: 0, scale: 1 };
    this.fits = false;
    this.lastMove = -Infinity;
    this.pointer = null;
    this.models = [];
    this.pictures = [];
    this.chosen = null;
  }

  async start() {
    const { pictures, models } = await this.source.about();
    Object.assign(this, { pictures, models });
    const threshold = byId("threshold");
    this.thresholds = (models.find((model) => model.tables.length)?.tables ?? []).map((table) => table.threshold);
    if (this.thresholds.length) {
      threshold.max = this.thresholds.length - 1;
      threshold.value = Math.max(this.thresholds.indexOf(2e-5), 0);
      this.threshold = this.thresholds[threshold.value];
    }
    for (const id of ["open", "picture-label"]) byId(id).hidden = this.isFile;
    byId("overlay-label").hidden = !models.some((model) => model.mlp);
    this.listen();
    if (!pictures.length) return this.tell("Drop a picture onto the page, or choose Open…");
    const fromAddress = new URLSearchParams(location.hash.slice(1)).get("picture");
    await this.choose(pictures.some(({ id }) => id === fromAddress) ? fromAddress : pictures[0].id);
    this.readHash();
  }

  // Pictures and layers

  async choose(id) {
    if (!this.pictures.some((other) => other.id === id)) return;
    this.chosen = id;
    const picture = await this.source.aboutPicture(id);
    const bitmap = await this.source.picture(id, this.painter.largest);
    if (this.chosen !== id) return bitmap.close(); // another picture has been chosen meanwhile
    this.picture = picture;
    this.unreduced = bitmap.width === picture.width && this.painter instanceof GlPainter;
    this.forget();
    this.painter.setPicture(bitmap);
    if (this.painter instanceof GlPainter) bitmap.close();
    byId("picture").replaceChildren(...this.pictures.map(({ id, name }) => new Option(name, id, false, id === picture.id)));
    this.offer();
    this.fit();
    document.title = `${picture.name} – lmf-sr`;
  }

  // Shows another picture, or a sentence if it cannot be read.
  async look(id) {
    try {
      this.tell("");
      await this.choose(id);
    } catch (error) {
      this.tell(error.message);
    }
  }

  forget() {
    this.states.forget();
    this.layers.forEach((layer) => layer.forget());
    if (this.overlayImage) this.painter.release(this.overlayImage);
    this.overlayImage = this.timing = null;
  }

  // The kinds of layers, with their names, that the picture can have.
  kinds() {
    const kinds = this.models.map((model, number) => [String(number), model.name]);
    if (this.serves) this.models.forEach((model, number) => model.tables.length && kinds.push([`${number}+`, `${model.name}, CMSR`]));
    kinds.push(["bicubic", "bicubic"], ["nearest", "nearest"]);
    if (this.picture.reference) kinds.push(["reference", "reference"]);
    return kinds;
  }

  offer() {
    const kinds = this.kinds();
    const first = ["0", this.models.length > 1 ? "1" : "bicubic"];
    this.layers.forEach((layer, i) => {
      const kind = kinds.some(([other]) => other === layer.kind) ? layer.kind : first[i];
      byId(layer.side).replaceChildren(...kinds.map(([value, name]) => new Option(name, value, false, value === kind)));
      layer.show(kind);
    });
  }

  show(side, kind) {
    byId(side).value = kind;
    this.layers[side === "left" ? 0 : 1].show(kind);
    this.changed();
  }

  parameters(layer, place) {
    return {
      picture: this.picture.id,
      layer: layer.model ?? layer.kind,
      top: place.y, left: place.x, scale: place.scale, height: place.height, width: place.width,
      threshold: layer.byCmsr ? this.threshold : null,
      job: `${this.name} ${layer.side}`,
    };
  }

  // The view

  get stage() {
    return { left: 0, top: 0, width: this.canvas.width, height: this.canvas.height };
  }

  // The rectangle that a layer renders: the whole stage under the slider, or half of it side by side.
  rectOf(layer) {
    const { width, height } = this.stage;
    if (this.layout === "slider") return this.stage;
    const half = Math.max(Math.floor((width - 2) / 2), 1);
    return { left: layer.side === "left" ? 0 : width - half, top: 0, width: half, height };
  }

  // The part of its rectangle in which a layer is visible.
  paintedOf(layer) {
    const rect = this.rectOf(layer);
    if (this.layout !== "slider") return rect;
    const at = Math.round(this.divider * rect.width);
    return layer.side === "left" ? { ...rect, width: at } : { ...rect, left: at, width: rect.width - at };
  }

  viewOf(layer, rect = this.rectOf(layer)) {
    const whole = this.rectOf(layer);
    const { x, y, scale } = this.view;
    return { x: x + (rect.left - whole.left - whole.width / 2) / scale, y: y - whole.height / 2 / scale, scale };
  }

  fit() {
    const { width, height } = this.rectOf(this.layers[0]);
    const { picture } = this;
    this.view = { x: picture.width / 2, y: picture.height / 2, scale: Math.min(width / picture.width, height / picture.height) };
    this.fits = true; // also after the window is resized
    this.moved();
  }

  get smallest() {
    const { width, height } = this.rectOf(this.layers[0]);
    return Math.min(width / this.picture.width, height / this.picture.height, 1) / 2;
  }

  moveBy(dx, dy) {
    this.fits = false;
    this.view.x -= dx / this.view.scale;
    this.view.y -= dy / this.view.scale;
    this.moved();
  }

  // Zooms by a factor; the place under the point (in pixels of the canvas) stays there.
  zoom(factor, point = null) {
    const { picture, view } = this;
    if (!picture) return;
    const scale = Math.min(Math.max(view.scale * factor, this.smallest), LARGEST_SCALE);
    if (point) {
      const layer = this.layerAt(point.x);
      const at = this.viewOf(layer);
      const rect = this.rectOf(layer);
      const [px, py] = [point.x - rect.left, point.y - rect.top];
      view.x += (px - rect.width / 2) * (1 / at.scale - 1 / scale);
      view.y += (py - rect.height / 2) * (1 / at.scale - 1 / scale);
    }
    view.scale = scale;
    this.fits = false;
    this.moved();
  }

  layerAt(x) {
    return this.layers.find((layer) => x < this.paintedOf(layer).left + this.paintedOf(layer).width) ?? this.layers[1];
  }

  moved() {
    if (!this.picture) return;
    const { view, picture } = this;
    view.x = Math.min(Math.max(view.x, 0), picture.width);
    view.y = Math.min(Math.max(view.y, 0), picture.height);
    this.lastMove = performance.now();
    this.layers.forEach((layer) => layer.moved());
    this.changed();
  }

  // Work

  changed() {
    this.canvas.setAttribute("aria-busy", "true");
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    if (!this.picture) return this.painter.begin(this.background);
    const left = RESTS - (performance.now() - this.lastMove);
    const moving = left > 0;
    let more = false;
    for (const layer of this.visible()) more = layer.step(this.rectOf(layer), this.viewOf(layer), moving) || more;
    this.wantIntensity(moving);
    this.paint();
    if (moving) {
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.changed(), left + 1);
    } else {
      this.writeHash();
    }
    if (more) this.changed();
    const busy = more || moving || this.states.busy || this.layers.some((layer) => layer.request || layer.unfinished);
    if (!busy) this.time();
    this.canvas.setAttribute("aria-busy", String(busy));
  }

  visible() {
    return this.layers.filter((layer) => this.paintedOf(layer).width > 0);
  }

  paint() {
    const { painter } = this;
    painter.begin(this.background);
    const places = this.visible().map((layer) => [layer, this.paintedOf(layer)]);
    for (const [layer, rect] of places) layer.paint(rect, this.viewOf(layer, rect));
    byId("probe").textContent = this.probe(); // before the overlay, which is no part of a layer's values
    const overlay = this.drawnOverlay();
    if (overlay) for (const [layer, rect] of places) painter.paintImage(rect, this.viewOf(layer, rect), overlay, false, 0.55);
    this.placeDivider();
    const statuses = this.visible().map((layer) => layer.status);
    byId("status").textContent = `×${precise(this.view.scale)} · ${statuses.join(" | ")}`;
    this.tellCmsr();
  }

  get background() {
    return getComputedStyle(byId("stage")).backgroundColor.match(/\d+/g).slice(0, 3).map(Number);
  }

  placeDivider() {
    const divider = byId("divider");
    divider.hidden = this.layout !== "slider";
    divider.style.display = divider.hidden ? "none" : "";
    divider.style.left = `${100 * this.divider}%`;
    divider.setAttribute("aria-valuenow", Math.round(100 * this.divider));
  }

  // The place under the pointer, or in the middle, and the values that the layer has there, or both layers side by side.
  probe() {
    const { width, height } = this.rectOf(this.layers[0]);
    const point = this.pointer ?? (this.probing ? { x: Math.floor(width / 2), y: Math.floor(height / 2) } : null);
    if (!point) return "";
    const layer = this.layerAt(point.x);
    const rect = this.paintedOf(layer);
    const view = this.viewOf(layer, rect);
    const [dx, dy] = [point.x - rect.left, point.y - rect.top];
    const x = view.x + (dx + 0.5) / view.scale;
    const y = view.y + (dy + 0.5) / view.scale;
    if (x < 0 || y < 0 || x >= this.picture.width || y >= this.picture.height) return "";
    const layers = this.layout === "side" ? this.layers : [layer];
    const values = layers.map((each) => {
      const at = this.paintedOf(each);
      const [px, py] = [at.left + dx, at.top + dy];
      return `${byId(each.side).selectedOptions[0].text}: ${[...this.painter.pixel(px, py)].join(" ")}`;
    });
    const state = this.overlayModel === null ? null : this.states.intensityOf(this.overlayModel);
    const at = state && (Math.floor(y) - state.top) * state.width + Math.floor(x) - state.left;
    const inside = state && y >= state.top && x >= state.left && y < state.top + state.height && x < state.left + state.width;
    const intensity = inside ? ` · intensity ${state.intensity[at].toFixed(3)}` : "";
    return `x ${x.toFixed(2)}, y ${y.toFixed(2)} · ${values.join(" · ")}${intensity}`;
  }

  // CMSR

  get overlayModel() {
    for (const { model } of this.layers) if (model !== null && this.models[model].mlp) return model;
    return null;
  }

  get levels() {
    const table = this.models[this.overlayModel]?.tables.find((each) => each.threshold === this.threshold);
    return table ? levelsAt(table, this.view.scale) : null;
  }

  // The overlay, and the savings of CMSR, need a state beyond scale 4, also where the server renders.
  wantIntensity(moving) {
    const model = this.overlayModel;
    if (moving || model === null || !this.painter.renders(this.models[model].mlp) || this.states.refused.has(model)) return;
    if (!this.overlay && !this.layers.some((layer) => layer.byCmsr)) return;
    const place = this.placeToSave;
    if (place.width > 0 && place.height > 0) this.states.wantClipped(model, place);
  }

  drawnOverlay() {
    const model = this.overlayModel;
    const state = this.overlay && model !== null ? this.states.intensityOf(model) : null;
    const levels = this.levels;
    const key = state && JSON.stringify([this.overlay, this.overlay === "levels" ? levels : null]);
    if (this.overlayImage && (!state || this.overlayImage.key !== key || this.overlayImage.of !== state.intensity)) {
      this.painter.release(this.overlayImage);
      this.overlayImage = null;
    }
    if (!state || (this.overlay === "levels" && !levels)) return null;
    if (!this.overlayImage) {
      const colour = this.overlay === "levels" ? (v) => levelColour(levels, levelOf(levels, v)) : intensityColour(state.intensity);
      const pixels = new ImageData(state.width, state.height);
      state.intensity.forEach((value, i) => pixels.data.set([...colour(value), 255], 4 * i));
      const image = this.painter.imageOf(canvasOf(pixels), { x: state.left, y: state.top, scale: 1 });
      this.overlayImage = Object.assign(image, { key, of: state.intensity });
    }
    return this.overlayImage;
  }

  // Shows the shares of the levels in the view, and the savings of CMSR there.
  tellCmsr() {
    const shown = this.thresholds?.length > 0 && (this.overlay === "levels" || this.layers.some((layer) => layer.byCmsr));
    byId("threshold-label").hidden = !shown;
    const out = byId("cmsr");
    out.hidden = !shown;
    if (!shown) return;
    byId("threshold-value").textContent = this.threshold.toExponential(1);
    const model = this.overlayModel;
    const state = model === null ? null : this.states.intensityOf(model);
    const levels = this.levels;
    if (model === null) return void (out.textContent = "CMSR is for LMF models (lm-…): choose one on the left or on the right.");
    if (this.view.scale <= CLIPPED) return void (out.textContent = "CMSR begins beyond scale 4: zoom in.");
    if (!levels) return void (out.textContent = "This model has no calibration: make one with lmf-sr calibrate.");
    if (!state) return void (out.textContent = "…");
    const layer = this.layers[0];
    const place = layer.place(this.rectOf(layer), this.viewOf(layer));
    const window = this.states.windowOf(place);
    const counts = levels.map(() => 0);
    for (let y = Math.max(window.top, state.top); y < Math.min(window.top + window.height, state.top + state.height); y++)
      for (let x = Math.max(window.left, state.left); x < Math.min(window.left + window.width, state.left + state.width); x++)
        counts[levelOf(levels, state.intensity[(y - state.top) * state.width + x - state.left])]++;
    const latents = counts.reduce((a, b) => a + b, 0) || 1;
    const pixels = place.width * place.height;
    const { macs } = this.models[model];
    const rendered = levels.reduce((sum, [scale], i) => sum + (counts[i] / latents) * pixels * (scale / place.scale) ** 2, 0);
    const saved = 1 - (latents * macs.latent + rendered * macs.pixel) / (latents * macs.latent + pixels * macs.pixel);
    const parts = levels.map(([scale], i) => {
      const key = Object.assign(document.createElement("span"), { className: "key" });
      key.style.background = `rgb(${levelColour(levels, i).join(" ")})`;
      return [key, `×${precise(scale)} ${percent(counts[i] / latents)}`];
    });
    const time = this.timing?.result;
    const times = time ? `; time ${time.full_ms.toFixed(0)} → ${time.cmsr_ms.toFixed(0)} ms (${comparison(time)})` : "";
    out.replaceChildren("In view:", ...parts.flat(), ` · MACs saved ${percent(saved)}${times}`);
  }

  // Has the server time the view in full and by CMSR, when it is at rest.
  async time() {
    const { levels, overlayModel: model } = this;
    const applies = this.serves && levels && this.view.scale > CLIPPED && !byId("cmsr").hidden;
    if (!applies) return;
    const layer = this.layers[0];
    const place = layer.place(this.rectOf(layer), this.viewOf(layer));
    const key = JSON.stringify([place, model, this.threshold]);
    if (this.timing?.key === key || place.width < 1 || place.height < 1) return;
    this.timing?.abort.abort();
    const timing = (this.timing = { key, abort: new AbortController(), result: null });
    const parameters = { ...this.parameters(layer, place), model, threshold: this.threshold, job: `${this.name} timing` };
    try {
      timing.result = await this.source.timed(parameters, timing.abort.signal);
      if (this.timing === timing) this.paint();
    } catch (error) {
      if (error.name !== "AbortError") this.tell(error.message);
    }
  }

  // Opening and saving

  async open(files) {
    for (const file of files) {
      try {
        if (this.isFile) throw new Error("This page holds one picture: lmf-sr view opens others.");
        this.tell(`Opening ${file.name} …`);
        const picture = await this.source.open(file);
        this.pictures.push(picture);
        await this.choose(picture.id);
        this.tell("");
      } catch (error) {
        this.tell(error.message);
      }
    }
  }

  askToSave() {
    if (!this.picture) return;
    byId("save-width").value = byId("save-dialog").returnValue = "";
    this.sizeToSave();
    const sides = this.layers.map((layer) => document.querySelector(`[name=side][value=${layer.side}]`));
    this.layers.forEach((layer, i) => {
      byId(`save-${layer.side}`).textContent = `${layer.side}: ${byId(layer.side).selectedOptions[0].text}`;
      sides[i].disabled = !this.serves && !layer.byShader();
    });
    const possible = sides.filter((side) => !side.disabled);
    if (!possible.length) return this.tell("This page saves only what a model renders: choose a model on the left or on the right.");
    if (!possible.some((side) => side.checked)) possible[0].checked = true;
    byId("save-dialog").showModal();
    byId("save-width").focus();
    byId("save-width").select();
  }

  get placeToSave() {
    const layer = this.layers[0];
    return layer.place(this.rectOf(layer), this.viewOf(layer));
  }

  // The part to save, its width as typed (or a default), and the height that follows.
  sizeToSave() {
    const whole = document.querySelector("[name=what][value=whole]").checked;
    const { picture, placeToSave: place } = this;
    const [w, h] = whole ? [picture.width, picture.height] : [place.width, place.height];
    const field = byId("save-width");
    if (!field.value) field.value = whole ? 4 * w : w;
    const width = Math.round(Number(field.value));
    const height = Math.max(Math.round((h * width) / w), 1);
    byId("save-height").textContent = height;
    return { whole, width, height };
  }

  async save() {
    const { whole, width, height } = this.sizeToSave();
    const layer = this.layers[document.querySelector("[name=side][value=left]").checked ? 0 : 1];
    this.tell("Saving …");
    try {
      const place = whole ? { x: 0, y: 0, scale: width / this.picture.width, width, height } : this.placeToSave;
      const saved = await (this.serves ? this.source.save(this.toSave(layer, whole, width, height)) : this.saveHere(layer.model, place, width, height));
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(saved.blob), download: saved.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      this.tell("");
    } catch (error) {
      this.tell(error.message);
    }
  }

  toSave(layer, whole, width, height) {
    const { top, left, scale, height: viewHeight, width: viewWidth, ...rest } = this.parameters(layer, this.placeToSave);
    const place = whole ? {} : { top, left, scale, view_height: viewHeight, view_width: viewWidth };
    return { ...rest, ...place, width, height, job: `${this.name} save` };
  }

  // Renders a picture to save, part by part, in a page without a server. Each part needs a state of its own unless the page has one
  // of the whole picture.
  async saveHere(number, place, width, height) {
    if (width * height > MOST_SAVED || Math.max(width, height) > 2 ** 14)
      throw new Error(`${width}×${height} pixels are more than a page can save: at most ${MOST_SAVED}, and ${2 ** 14} a side.`);
    const { mlp } = this.models[number];
    const scale = (place.scale * width) / place.width;
    const stateOfWhole = this.isFile && this.states.get(number, { ...place, scale, width, height }, true);
    if (this.isFile && !stateOfWhole) throw new Error("The state is still being unpacked: try again.");
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    const { id, width: w, height: h } = this.picture;
    for (const part of tilesOf({ width, height }, SAVED_AT_ONCE)) {
      const at = { x: place.x + part.left / scale, y: place.y + part.top / scale, scale, width: part.width, height: part.height };
      const clipped = Math.min(scale, CLIPPED);
      const data = stateOfWhole ? null : await this.source.state(id, number, this.states.windowOf(at), clipped);
      const state = stateOfWhole || this.painter.stateOf(mlp, data);
      const image = this.painter.emptyImage(part.width, part.height, at);
      for (const tile of tilesOf(part)) this.painter.render(mlp, state, image, tile, [w, h], this.layers[0].cellOf(at));
      context.putImageData(new ImageData(this.painter.pixels(image), part.width), part.left, part.top);
      this.painter.release(image);
      if (!stateOfWhole) this.painter.release(state);
    }
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    return { blob, name: `${this.picture.name.replace(/\.[^.]*$/, "")}_${width}x${height}.png` };
  }

  tell(sentence) {
    const message = byId("message");
    message.textContent = sentence;
    message.hidden = !sentence;
  }

  // The address holds the view, so a view can be kept and sent on.

  writeHash() {
    if (self !== top) return; // a page inside another one has no address of its own
    const { x, y, scale } = this.view;
    const [left, right] = this.layers.map((layer) => layer.kind);
    const { layout, overlay } = this;
    const values = { picture: this.picture.id, x, y, scale, left, right, layout, ...(overlay && { overlay }) };
    history.replaceState(null, "", `#${new URLSearchParams(values)}`);
  }

  async readHash() {
    const values = new URLSearchParams(location.hash.slice(1));
    if (values.has("picture") && values.get("picture") !== this.picture?.id) await this.choose(values.get("picture"));
    const numbers = ["x", "y", "scale"].map((key) => parseFloat(values.get(key)));
    for (const side of ["left", "right"]) if (this.kinds().some(([kind]) => kind === values.get(side))) this.show(side, values.get(side));
    for (const id of ["layout", "overlay"])
      if ([...byId(id).options].some(({ value }) => value === values.get(id))) this[id] = byId(id).value = values.get(id);
    if (numbers.every(Number.isFinite) && numbers[2] > 0) {
      const [x, y, scale] = numbers;
      this.fits = false;
      this.view = { x, y, scale: Math.min(Math.max(scale, this.smallest), LARGEST_SCALE) };
    }
    this.moved();
  }

  // Controls

  listen() {
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
    addEventListener("hashchange", () => this.readHash());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.changed());
    this.listenToPointers();
    addEventListener("keydown", (event) => this.key(event));
    byId("picture").addEventListener("change", (event) => this.look(event.target.value));
    for (const side of ["left", "right"]) byId(side).addEventListener("change", (event) => this.show(side, event.target.value));
    byId("layout").addEventListener("change", (event) => this.set("layout", event.target.value));
    byId("overlay").addEventListener("change", (event) => this.set("overlay", event.target.value));
    byId("threshold").addEventListener("input", (event) => this.set("threshold", this.thresholds[event.target.value]));
    byId("in").addEventListener("click", () => this.zoom(1.5));
    byId("out").addEventListener("click", () => this.zoom(1 / 1.5));
    byId("fit").addEventListener("click", () => this.fit());
    byId("open").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", (event) => this.open([...event.target.files]));
    byId("save").addEventListener("click", () => this.askToSave());
    byId("help").addEventListener("click", () => byId("help-dialog").showModal());
    byId("message").addEventListener("click", () => this.tell(""));
    byId("save-width").addEventListener("input", () => byId("save-width").value && this.sizeToSave());
    for (const choice of document.getElementsByName("what"))
      choice.addEventListener("change", () => ((byId("save-width").value = ""), this.sizeToSave()));
    byId("save-cancel").addEventListener("click", () => byId("save-dialog").close());
    byId("save-dialog").addEventListener("close", (event) => event.target.returnValue === "save" && this.save());
    const stage = byId("stage");
    for (const type of ["dragenter", "dragover"])
      addEventListener(type, (event) => (event.preventDefault(), stage.classList.add("dropping")));
    addEventListener("dragleave", (event) => event.relatedTarget === null && stage.classList.remove("dropping"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      stage.classList.remove("dropping");
      this.open([...event.dataTransfer.files]);
    });
    addEventListener("paste", (event) => event.clipboardData.files.length && this.open([...event.clipboardData.files]));
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => location.reload());
  }

  set(key, value) {
    this[key] = value;
    byId(key).value = key === "threshold" ? this.thresholds.indexOf(value) : value;
    if (key === "layout") this.moved();
    else this.changed();
  }

  resize() {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(Math.round(side * ratio), 1));
    if (canvas.width === width && canvas.height === height) return;
    Object.assign(canvas, { width, height });
    if (this.fits) this.fit();
    else this.moved();
    this.draw();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return { x: Math.floor((event.clientX - box.left) * ratio), y: Math.floor((event.clientY - box.top) * ratio) };
  }

  listenToPointers() {
    const { canvas } = this;
    const down = new Map();
    const middle = () => {
      const points = [...down.values()];
      const mean = (key) => points.reduce((sum, point) => sum + point[key], 0) / points.length;
      const spread = points.length > 1 ? Math.hypot(points[0].x - points[1].x, points[0].y - points[1].y) : 0;
      return { x: mean("x"), y: mean("y"), spread };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, this.at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      this.pointer = event.pointerType === "touch" ? null : this.at(event);
      if (!down.has(event.pointerId)) return this.picture && this.changed();
      const before = middle();
      down.set(event.pointerId, this.at(event));
      const now = middle();
      this.moveBy(now.x - before.x, now.y - before.y);
      if (before.spread > 0 && now.spread > 0) this.zoom(now.spread / before.spread, now);
    });
    for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, (event) => down.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => ((this.pointer = null), this.changed()));
    canvas.addEventListener("dblclick", (event) => this.zoom(event.shiftKey ? 0.5 : 2, this.at(event)));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      const strength = event.ctrlKey ? 0.01 : 0.002; // a pinch on a trackpad comes as a wheel with Ctrl
      this.zoom(Math.exp(-Math.min(Math.max(event.deltaY * lines, -400), 400) * strength), this.at(event));
    }, { passive: false });
    const divider = byId("divider");
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (divider.hasPointerCapture(event.pointerId)) this.divide(this.at(event).x / this.canvas.width);
    });
    divider.addEventListener("wheel", (event) => canvas.dispatchEvent(new WheelEvent("wheel", event)), { passive: true });
  }

  divide(share) {
    this.divider = Math.min(Math.max(share, 0), 1);
    this.changed();
  }

  key(event) {
    const within = event.target.closest?.("input, select, dialog");
    if (within || event.ctrlKey || event.metaKey || event.altKey || !this.picture) return;
    const next = (id, by = 1) => {
      const { options, selectedIndex } = byId(id);
      return options[(selectedIndex + by + options.length) % options.length].value;
    };
    const { width, height } = this.stage;
    const onDivider = event.target === byId("divider");
    const threshold = (by) => {
      const index = this.thresholds.indexOf(this.threshold) + by;
      if (index >= 0 && index < this.thresholds.length) this.set("threshold", this.thresholds[index]);
    };
    const actions = {
      ArrowLeft: () => (onDivider ? this.divide(this.divider - 0.02) : this.moveBy(width / 8, 0)),
      ArrowRight: () => (onDivider ? this.divide(this.divider + 0.02) : this.moveBy(-width / 8, 0)),
      ArrowUp: () => this.moveBy(0, height / 8),
      ArrowDown: () => this.moveBy(0, -height / 8),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => this.fit(),
      1: () => this.zoom(1 / this.view.scale),
      "[": () => this.divide(this.divider - 0.05),
      "]": () => this.divide(this.divider + 0.05),
      a: () => this.show("left", next("left")),
      b: () => this.show("right", next("right")),
      l: () => this.set("layout", next("layout")),
      o: () => this.set("overlay", next("overlay")),
      ",": () => threshold(-1),
      ".": () => threshold(1),
      i: () => ((this.probing = !this.probing), this.changed()),
      n: () => this.look(next("picture")),
      p: () => this.look(next("picture", -1)),
      f: () => !this.isFile && byId("file").click(),
      s: () => this.askToSave(),
      "?": () => byId("help-dialog").showModal(),
    };
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

// The levels by which a table renders a scale, [decode scale, limit of intensity or null], coarse to fine, as in Scale2Mod.levels.
function levelsAt(table, scale) {
  if (scale <= CLIPPED * (1 + SLACK)) return [[scale, null]];
  const target = table.targets.find((each) => each.scale >= scale * (1 - SLACK)) ?? table.targets[table.targets.length - 1];
  const finest = Math.min(target.scale, scale) * (1 - SLACK);
  const coarser = target.levels.filter(([of]) => of < finest);
  const unlimited = coarser.length && coarser[coarser.length - 1][1] === null;
  return unlimited ? coarser : [...coarser, [scale, null]];
}

function levelOf(levels, intensity) {
  return levels.filter(([, limit]) => limit !== null && limit <= intensity).length;
}

function levelColour(levels, number) {
  return colourAt(LEVEL_RAMP, number / Math.max(levels.length - 1, 1)).map(Math.round);
}

// A colour for each intensity, dark at the 1st percentile and light at the 99th.
function intensityColour(values) {
  const sorted = Float32Array.from(values).sort();
  const [low, high] = [0.01, 0.99].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
  return (value) => colourAt(INTENSITY_RAMP, (value - low) / (high - low || 1));
}

function colourAt(ramp, share) {
  const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const i = Math.min(Math.floor(at), ramp.length - 2);
  return ramp[i].map((v, k) => v + (ramp[i + 1][k] - v) * (at - i));
}

function canvasOf(pixels) {
  const canvas = Object.assign(document.createElement("canvas"), { width: pixels.width, height: pixels.height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function precise(value) {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function comparison({ full_ms: full, cmsr_ms: cmsr }) {
  return cmsr <= full ? `${percent(1 - cmsr / full)} saved` : `${(cmsr / full).toFixed(1)} times as long`;
}

function percent(share) {
  return `${(100 * share).toFixed(0)} %`;
}

const viewer = new Viewer(JSON.parse(byId("setup").textContent));
byId("setup").remove();
viewer.start().catch((error) => viewer.tell(error.message));
