// Sources give pictures, states and views: the server of `lmf-sr view`, or the page itself (`lmf-sr export`).
// A state is {top, left, height, width, layers, cell, texels, intensity}: a window of latents, their texels as halves, layer by
// layer, and their intensities.

class ServerSource {
  async call(path, parameters = {}, options = {}) {
    const entries = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
    const response = await fetch(`${path}?${new URLSearchParams(entries)}`, options);
    if (response.status === 204) throw new DOMException("a later request has replaced this one", "AbortError");
    if (!response.ok) {
      const answer = await response.json().catch(() => ({}));
      throw new Error(answer.error ?? `the server answers ${response.status}`);
    }
    return response;
  }

  async about() {
    return (await this.call("about")).json();
  }

  async aboutPicture(id) {
    return (await this.call("picture", { picture: id })).json();
  }

  async picture(id, largest) {
    return bitmapOf(await (await this.call("lr", { picture: id, largest })).blob());
  }

  async view(parameters, signal) {
    return bitmapOf(await (await this.call("view", parameters, { signal })).blob());
  }

  async state(id, model, window, scale, signal, job) {
    const response = await this.call("state", { picture: id, model, ...window, scale, job }, { signal });
    const about = JSON.parse(response.headers.get("X-State"));
    const halves = new Uint16Array(await response.arrayBuffer());
    const texels = 4 * about.layers * about.height * about.width;
    return { ...about, texels: halves.subarray(0, texels), intensity: Float32Array.from(halves.subarray(texels), fromHalf) };
  }

  async timed(parameters, signal) {
    return (await this.call("timed", parameters, { signal })).json();
  }

  async open(file) {
    return (await this.call("open", { name: file.name }, { method: "POST", body: file })).json();
  }

  async save(parameters) {
    const response = await this.call("save", parameters);
    const [, plain, encoded] = /filename(?:="([^"]*)"|\*=utf-8''(\S+))/.exec(response.headers.get("Content-Disposition"));
    return { blob: await response.blob(), name: plain ?? decodeURIComponent(encoded) };
  }
}

// A page by itself holds one picture and its state beyond scale 4, with values in whole numbers of steps (standalone.py).
class FileSource {
  constructor(setup) {
    this.setup = setup;
  }

  async about() {
    return this.setup.about;
  }

  async aboutPicture() {
    return this.setup.picture;
  }

  async picture() {
    return bitmapOf(new Blob([bytesOf(this.setup.lr)], { type: "image/png" }));
  }

  async state() {
    if (!this.unpacked) this.unpacked = unpacked(this.setup.state).finally(() => (this.setup.state.data = null));
    return this.unpacked;
  }

  async view() {
    throw new Error("The picture is shown bicubic, because this page renders by WebGL2, which this browser does not have.");
  }
}

const SOURCES = { server: ServerSource, file: FileSource };

function bitmapOf(blob) {
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The bytes hold, value by value, the low bytes of all latents and then the high bytes; value = least + step * symbol. The last
// value is the intensity.
async function unpacked(state) {
  const bytes = await inflated(bytesOf(state.data));
  const { least, step } = state;
  const latents = state.height * state.width;
  const values = least.length - 1;
  const texels = new Uint16Array(4 * state.layers * latents);
  const intensity = new Float32Array(latents);
  for (let v = 0; v <= values; v++) {
    const low = bytes.subarray(2 * v * latents, (2 * v + 1) * latents);
    const high = bytes.subarray((2 * v + 1) * latents, (2 * v + 2) * latents);
    if (v === values) {
      for (let i = 0; i < latents; i++) intensity[i] = least[v] + step[v] * (low[i] + 256 * high[i]);
      break;
    }
    const halves = [];
    const first = (v >> 2) * latents * 4 + (v & 3);
    for (let i = 0; i < latents; i++) {
      const symbol = low[i] + 256 * high[i];
      texels[first + 4 * i] = halves[symbol] ??= toHalf(least[v] + step[v] * symbol);
    }
  }
  return { ...state, data: null, texels, intensity };
}

const converted = { float: new Float32Array(1) };
converted.bits = new Uint32Array(converted.float.buffer);

function toHalf(value) {
  converted.float[0] = value;
  const bits = converted.bits[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) return sign | 0x7bff; // the largest finite half
  if (magnitude < 0x38800000) return sign | Math.round(Math.abs(value) * 2 ** 24); // subnormal
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

function fromHalf(half) {
  const exponent = (half >>> 10) & 31;
  const rest = half & 1023;
  const magnitude = exponent ? (1 + rest / 1024) * 2 ** (exponent - 15) : rest * 2 ** -24;
  return half & 0x8000 ? -magnitude : magnitude;
}
