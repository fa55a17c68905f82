// A layer shows the picture by a model, bicubic, by its nearest pixels, or the reference. While the user moves, a layer shows what
// it has: the picture, images that were rendered for other views, and a coarse rendering of this view. At rest, the view is
// rendered in full, tile by tile: by the shader where the page has the latents in view, or else by the server.

const RESTS = 90; // ms without a move after which the view is at rest
const FRAME = 30; // ms of rendering between two frames
const AT_DISPLAY_RATE = 22; // ms: a view that takes less is rendered in full while the user moves
const MOVING = 45; // ms for a coarse rendering
const TOO_SLOW = 20000; // ms: a view that takes more is not even rendered coarsely while the user moves
const TILE = 128; // pixels of a side of a tile
const CLIPPED = 4; // one state is exact from this scale on

class Layer {
  constructor(viewer, side) {
    this.viewer = viewer;
    this.side = side;
    this.forget();
  }

  // A kind is the number of a model, with + for rendering by CMSR, or "bicubic", "nearest", "reference".
  show(kind) {
    if (kind === this.kind) return;
    this.kind = kind;
    this.forget();
  }

  get model() {
    return /^\d/.test(this.kind ?? "") ? parseInt(this.kind, 10) : null;
  }

  get byCmsr() {
    return (this.kind ?? "").endsWith("+");
  }

  forget() {
    this.images?.forEach((image) => this.viewer.painter.release(image));
    this.images = []; // from coarse to fine
    this.giveUp();
    this.finished = this.coarse = null; // keys of the places that were rendered in full and coarsely
    this.note = "";
  }

  giveUp() {
    this.request?.abort();
    this.request = null;
    if (this.unfinished) this.viewer.painter.release(this.unfinished.image);
    this.unfinished = null;
  }

  // The part of the picture in a rectangle, in whole pixels: {x, y, scale, width, height}.
  place(rect, view) {
    const { width, height } = this.viewer.picture;
    const [left, right] = clippedTo(view.x, rect.width, width, view.scale);
    const [top, bottom] = clippedTo(view.y, rect.height, height, view.scale);
    return { x: view.x + left / view.scale, y: view.y + top / view.scale, scale: view.scale, width: right - left, height: bottom - top };
  }

  key(place) {
    return JSON.stringify([place, this.kind, this.byCmsr ? this.viewer.threshold : null]);
  }

  // Whether the painter draws the picture itself and nothing has to be rendered.
  isPlain(place) {
    if (place.width < 1 || place.height < 1 || place.scale < 1) return true;
    return (this.kind === "bicubic" || this.kind === "nearest") && this.viewer.unreduced;
  }

  byShader() {
    const about = this.viewer.models[this.model];
    return this.model !== null && !this.byCmsr && this.viewer.painter.renders(about.mlp) && !this.viewer.states.refused.has(this.model);
  }

  moved() {
    this.giveUp();
    this.finished = null;
  }

  // Does one step of the work, and says whether the next may follow at once.
  step(rect, view, moving) {
    const place = this.place(rect, view);
    if (this.isPlain(place)) {
      if (this.images.length || this.unfinished) this.forget();
      this.finished = "plain";
      this.note = place.scale < 1 && this.model !== null ? "the picture itself" : "";
      return false;
    }
    const key = this.key(place);
    if (this.finished === key) return false;
    if (this.byShader()) {
      const state = this.viewer.states.get(this.model, place, !moving);
      if (state) {
        if (moving && this.coarse !== key) this.renderCoarse(place, state, key);
        else if (!moving && this.viewer.states.isExact(state, place)) return this.renderFully(place, state, key);
      }
      if (moving || this.viewer.states.fits(place)) return false; // the state has been requested
    }
    if (!moving && !this.request) this.ask(place, key);
    return false;
  }

  cellOf(place) {
    const side = 2 / Math.min(place.scale, CLIPPED);
    return [side, side];
  }

  renderCoarse(place, state, key) {
    this.coarse = key;
    if (this.viewer.painter.msPerPixel.get(this.viewer.models[this.model].mlp) * place.width * place.height > TOO_SLOW) return;
    const { painter, models, picture } = this.viewer;
    const { mlp } = models[this.model];
    const full = (painter.msPerPixel.get(mlp) ?? 2e-4) * place.width * place.height;
    const by = full <= AT_DISPLAY_RATE ? 1 : Math.min(Math.ceil(Math.sqrt(full / MOVING)), 16);
    const size = [place.width, place.height].map((side) => Math.ceil(side / by));
    const image = painter.emptyImage(...size, { x: place.x, y: place.y, scale: place.scale / by });
    const tile = { left: 0, top: 0, width: size[0], height: size[1] };
    const took = painter.render(mlp, state, image, tile, [picture.width, picture.height], this.cellOf(place));
    image.isCoarse = true;
    this.replace(image, (other) => other.isCoarse || by === 1);
    this.note = `${Math.round(took)} ms${by > 1 ? ` at 1/${by}` : ""}`;
  }

  renderFully(place, state, key) {
    const { painter, models, picture } = this.viewer;
    const { mlp } = models[this.model];
    if (this.unfinished?.key !== key) {
      this.giveUp();
      const image = painter.emptyImage(place.width, place.height, { x: place.x, y: place.y, scale: place.scale });
      this.unfinished = { key, image, tiles: tilesOf(place), took: 0 };
    }
    const { image, tiles } = this.unfinished;
    for (let spent = 0; tiles.length && spent < FRAME; ) {
      const took = painter.render(mlp, state, image, tiles.pop(), [picture.width, picture.height], this.cellOf(place));
      spent += took;
      this.unfinished.took += took;
    }
    if (tiles.length) return true;
    this.note = `${Math.round(this.unfinished.took)} ms`;
    this.unfinished = null;
    this.finish(image, key);
    return false;
  }

  async ask(place, key) {
    const request = (this.request = new AbortController());
    const begin = performance.now();
    try {
      const bitmap = await this.viewer.source.view(this.viewer.parameters(this, place), request.signal);
      if (this.request !== request) return bitmap.close();
      this.request = null;
      const image = this.viewer.painter.imageOf(bitmap, { x: place.x, y: place.y, scale: place.scale });
      if (this.viewer.painter instanceof GlPainter) bitmap.close();
      this.note = `${Math.round(performance.now() - begin)} ms`;
      this.finish(image, key);
      this.viewer.changed();
    } catch (error) {
      if (this.request === request) this.request = null;
      if (error.name === "AbortError") return;
      this.finished = key; // so that it is not requested again
      this.viewer.tell(error.message);
      this.viewer.changed();
    }
  }

  finish(image, key) {
    this.replace(image, () => true);
    this.finished = key;
  }

  replace(image, replaces) {
    this.images = this.images.filter((other) => {
      if (replaces(other)) this.viewer.painter.release(other);
      return !replaces(other);
    });
    this.images.push(image);
    this.images.sort((a, b) => a.scale - b.scale);
  }

  paint(rect, view) {
    const { painter, picture } = this.viewer;
    const size = [picture.width, picture.height];
    painter.paintPicture(rect, view, size, this.kind === "nearest" ? "nearest" : "bicubic");
    for (const image of this.images) painter.paintImage(rect, view, image, true);
    if (this.unfinished) painter.paintImage(rect, view, this.unfinished.image, true);
  }

  // The name of the renderer, and its time.
  get status() {
    if (this.finished === "plain") return this.note || `${this.kind}`;
    const by = this.byShader() && this.viewer.states.mayFit(this) ? this.viewer.painter.name : this.viewer.serves ? "server" : this.viewer.painter.name;
    const approximate = this.viewer.isFile && this.viewer.view.scale < CLIPPED && this.model !== null ? ", approximate below ×4" : "";
    return `${by} ${this.note}${approximate}`;
  }
}

// The first pixel and the end of those, among a line of `pixels` that begins at `at`, that lie in [0, n].
function clippedTo(at, pixels, n, scale) {
  const first = Math.max(Math.ceil(-at * scale - 0.5), 0);
  const end = Math.min(Math.floor((n - at) * scale + 0.5), pixels);
  return [first, Math.max(end, first)];
}

// The tiles of an image. The ones in the middle come last, where `pop` begins.
function tilesOf({ width, height }, side = TILE) {
  const tiles = [];
  for (let top = 0; top < height; top += side)
    for (let left = 0; left < width; left += side)
      tiles.push({ left, top, width: Math.min(side, width - left), height: Math.min(side, height - top) });
  const away = (tile) => Math.hypot(tile.left + tile.width / 2 - width / 2, tile.top + tile.height / 2 - height / 2);
  return tiles.sort((a, b) => away(b) - away(a));
}

// The states in the page: for each model the last one beyond scale 4, and the last one below, where each scale has its own. A
// state covers the whole picture if that has at most `mostLatents`, or else the view with a margin.
class States {
  constructor(viewer) {
    this.viewer = viewer;
    this.latest = new Map();
    this.requests = new Map();
    this.refused = new Set(); // models whose states cannot be had
  }

  forget() {
    for (const request of this.requests.values()) request.abort.abort();
    this.requests.clear();
    for (const state of this.latest.values()) this.viewer.painter.release(state);
    this.latest.clear();
    this.refused.clear();
  }

  get mostLatents() {
    return this.viewer.source.mostLatents ?? 2 ** 17;
  }

  windowOf(place) {
    const { width, height } = this.viewer.picture;
    const [left, right] = [Math.max(Math.floor(place.x) - 1, 0), Math.min(Math.ceil(place.x + place.width / place.scale) + 1, width)];
    const [top, bottom] = [Math.max(Math.floor(place.y) - 1, 0), Math.min(Math.ceil(place.y + place.height / place.scale) + 1, height)];
    return { top, left, height: bottom - top, width: right - left };
  }

  withMargin(window) {
    const { width, height } = this.viewer.picture;
    if (width * height <= this.mostLatents) return { top: 0, left: 0, height, width };
    const room = Math.sqrt(this.mostLatents / (window.height * window.width));
    const by = Math.max(Math.min((room - 1) / 2, 0.5), 0);
    const [down, across] = [Math.floor(by * window.height), Math.floor(by * window.width)];
    const [top, left] = [Math.max(window.top - down, 0), Math.max(window.left - across, 0)];
    return {
      top, left,
      height: Math.min(window.top + window.height + down, height) - top,
      width: Math.min(window.left + window.width + across, width) - left,
    };
  }

  fits(place) {
    const window = this.windowOf(place);
    const { largest } = this.viewer.painter;
    return this.viewer.isFile || (window.height * window.width <= this.mostLatents && Math.max(window.height, window.width) <= largest);
  }

  mayFit(layer) {
    return this.fits(layer.place(this.viewer.rectOf(layer), this.viewer.viewOf(layer)));
  }

  covers(state, window) {
    return state.top <= window.top && state.left <= window.left
      && state.top + state.height >= window.top + window.height && state.left + state.width >= window.left + window.width;
  }

  isExact(state, place) {
    return this.viewer.isFile || state.scale === Math.min(place.scale, CLIPPED);
  }

  // A state of the view: the exact one, or else the one nearest in scale. With `mayRequest`, a missing exact state is requested.
  get(model, place, mayRequest) {
    const window = this.windowOf(place);
    const scale = this.viewer.isFile ? CLIPPED : Math.min(place.scale, CLIPPED);
    const kind = scale === CLIPPED ? "clipped" : "below";
    const candidates = ["clipped", "below"].map((key) => this.latest.get(`${model} ${key}`)).filter((s) => s && this.covers(s, window));
    const exact = candidates.find((state) => this.isExact(state, place));
    if (!exact && mayRequest && this.fits(place)) this.ask(model, kind, this.withMargin(window), window, scale);
    return exact ?? candidates.sort((a, b) => Math.abs(Math.log(a.scale / scale)) - Math.abs(Math.log(b.scale / scale)))[0];
  }

  wantClipped(model, place) {
    const [window, state] = [this.windowOf(place), this.latest.get(`${model} clipped`)];
    if ((state && this.covers(state, window)) || !this.fits(place)) return;
    this.ask(model, "clipped", this.withMargin(window), window, CLIPPED);
  }

  async ask(model, kind, window, needed, scale) {
    const name = `${model} ${kind}`;
    const waiting = this.requests.get(name);
    if (waiting && waiting.scale === scale && this.covers(waiting.window, needed)) return;
    waiting?.abort.abort();
    const request = { window, scale, abort: new AbortController() };
    this.requests.set(name, request);
    const { viewer } = this;
    try {
      const state = await viewer.source.state(viewer.picture.id, model, window, scale, request.abort.signal, `${viewer.name} state ${name}`);
      if (this.requests.get(name) !== request) return;
      viewer.painter.release(this.latest.get(name));
      this.latest.set(name, { ...viewer.painter.stateOf(viewer.models[model].mlp, state), scale });
    } catch (error) {
      if (error.name !== "AbortError") {
        this.refused.add(model);
        viewer.tell(error.message);
      }
    } finally {
      if (this.requests.get(name) === request) this.requests.delete(name);
      viewer.changed();
    }
  }

  // A state with the intensities of a model.
  intensityOf(model) {
    return this.latest.get(`${model} clipped`) ?? this.latest.get(`${model} below`);
  }

  get busy() {
    return this.requests.size > 0;
  }
}
