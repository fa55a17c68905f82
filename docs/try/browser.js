// The viewer's source of pictures and states without Python: ONNX Runtime computes them in the page. Nothing is sent anywhere. A
// picture is read from its file, and the page may fetch from its own folder alone.
//
// A picture is encoded once. A state is made for a window of the picture and a scale, from features one position wider on each
// side, because the decoder's `prepare` reads the neighbours of a position.

const HALO = 1;
const MOST_LATENTS = 2 ** 18; // of a state; 100 MB as textures

class BrowserSource {
  constructor(setup) {
    this.setup = setup;
    this.mostLatents = MOST_LATENTS;
    this.opened = new Map();
    this.sessions = {};
    this.timings = {};
    this.queue = Promise.resolve(); // one graph runs at a time, because each uses all threads
  }

  async about() {
    return { pictures: [], models: [this.setup.model] };
  }

  get runtime() {
    return (this.loaded ??= import(new URL(this.setup.runtime, document.baseURI)).then((ort) => {
      ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;
      return ort;
    }));
  }

  async run(graph, inputs) {
    const ort = await this.runtime;
    this.sessions[graph] ??= ort.InferenceSession.create(new URL(this.setup.graphs[graph], document.baseURI).href, { executionProviders: ["wasm"] });
    const session = await this.sessions[graph];
    const tensors = inputs(ort);
    const turn = this.queue.then(async () => {
      const begin = performance.now();
      const outputs = await session.run(tensors);
      this.timings[graph] = performance.now() - begin;
      return outputs;
    });
    this.queue = turn.catch(() => {});
    return turn;
  }

  async open(file) {
    const bitmap = await bitmapOf(file).catch(() => {
      throw new Error(`${file.name} is no picture that this browser can read.`);
    });
    const { width, height } = bitmap;
    bitmap.close();
    const id = String(this.opened.size);
    this.opened.set(id, { id, name: file.name, file, width, height, reference: false });
    return this.opened.get(id);
  }

  async aboutPicture(id) {
    return this.opened.get(id);
  }

  async picture(id) {
    return bitmapOf(this.opened.get(id).file);
  }

  // The picture as RGB in [0, 1], plane by plane.
  async planes(id) {
    const bitmap = await this.picture(id);
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const rgba = context.getImageData(0, 0, width, height).data;
    const planes = new Float32Array(3 * width * height);
    for (let i = 0; i < width * height; i++)
      for (let channel = 0; channel < 3; channel++) planes[channel * width * height + i] = rgba[4 * i + channel] / 255;
    return planes;
  }

  // The picture's features, which are kept until another picture is encoded.
  encoded(id) {
    if (this.last?.id === id) return this.last;
    const { width, height } = this.opened.get(id);
    const planes = this.planes(id);
    const features = planes
      .then((values) => this.run("encode", (ort) => ({ picture: new ort.Tensor("float32", values, [1, 3, height, width]) })))
      .then((outputs) => outputs.features);
    features.catch(() => (this.last = null));
    return (this.last = { id, planes, features });
  }

  async state(...parameters) {
    try {
      return await this.compute(...parameters);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  async compute(id, model, window, scale) {
    const { width, height } = this.opened.get(id);
    const { planes, features } = this.encoded(id);
    const [top, left] = [Math.max(window.top - HALO, 0), Math.max(window.left - HALO, 0)];
    const bottom = Math.min(window.top + window.height + HALO, height);
    const right = Math.min(window.left + window.width + HALO, width);
    const size = [bottom - top, right - left];
    const { data, dims } = await features;
    const channels = dims[1];
    const part = cropped(data, channels, height, width, top, left, ...size);
    const outputs = await this.run("state", (ort) => ({
      features: new ort.Tensor("float32", part, [1, channels, ...size]),
      height: new ort.Tensor("int64", BigInt64Array.of(BigInt(Math.round(scale * size[0]))), []),
      width: new ort.Tensor("int64", BigInt64Array.of(BigInt(Math.round(scale * size[1]))), []),
    }));
    const begin = performance.now();
    const { skip, layers } = this.setup.model.mlp;
    const values = outputs[this.setup.modulations];
    const each = values.dims[3];
    const latents = window.height * window.width;
    const texels = new Uint16Array(4 * layers * latents);
    const intensity = new Float32Array(latents); // of the paper: the mean over hidden layers of the shifts' strengths, which come last
    const [kinds, hidden] = outputs.strengths.dims.slice(3);
    const lr = skip ? await planes : null;
    for (let y = 0; y < window.height; y++) {
      for (let x = 0; x < window.width; x++) {
        const [row, column, latent] = [window.top + y, window.left + x, y * window.width + x];
        const from = (row - top) * size[1] + column - left;
        const last = (from + 1) * kinds * hidden;
        for (const strength of outputs.strengths.data.subarray(last - hidden, last)) intensity[latent] += strength / hidden;
        for (let value = 0; value < each; value++)
          texels[4 * ((value >> 2) * latents + latent) + (value & 3)] = toHalf(values.data[from * each + value]);
        if (skip)
          for (let channel = 0; channel < 3; channel++)
            texels[4 * ((layers - 1) * latents + latent) + channel] = toHalf(2 * lr[(channel * height + row) * width + column] - 1);
      }
    }
    this.timings.texels = performance.now() - begin;
    return { ...window, scale, layers, cell: [2 / scale, 2 / scale], texels, intensity };
  }

  async view() {
    throw this.failure ?? new Error("So much of this picture at once is more than the page has room for: zoom in.");
  }
}

SOURCES.browser = BrowserSource;

function cropped(planes, channels, height, width, top, left, rows, columns) {
  if (rows === height && columns === width) return planes;
  const part = new Float32Array(channels * rows * columns);
  for (let channel = 0; channel < channels; channel++)
    for (let y = 0; y < rows; y++) {
      const begin = (channel * height + top + y) * width + left;
      part.set(planes.subarray(begin, begin + columns), (channel * rows + y) * columns);
    }
  return part;
}
