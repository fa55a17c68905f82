// The viewer's shader for LM-LIIF by WebGL2 and, in WGSL, by WebGPU: the same state, the same pixels, in turn.
// `mlp` and the viewer's scripts come before (measure.py).

const LATENTS = { width: 64, height: 48 };
const PIXELS = { width: 384, height: 256 };
const SCALE = 9;
const WAYS = ["fragment, textures", "fragment, buffer", "compute, textures", "compute, buffer"]; // of WebGPU

// A state by chance, which has the same values each time.
function chance(values) {
  let seed = 1;
  return Uint16Array.from({ length: values }, () => toHalf(((seed = (seed * 48271) % 2147483647) / 2147483647) * 2 - 0.7));
}

const vector = (values) => `vec4f(${values.map((value) => value.toExponential(8)).join(", ")})`;
const quads = [0, 1, 2, 3];

function wgsl(way) {
  const { first, hidden, last, bias, depth, layers } = mlp;
  const [stage, held] = way.split(", ");
  const column = (k) => quads.map((o) => vector(quads.map((r) => first[4 * o + r][k])));
  const [rows, columns] = [column(0), column(1)];
  const product = (W, o) => W.map((_, i) => `${vector(quads.map((r) => W[4 * o + r][i]))} * y${i >> 2}.${"xyzw"[i & 3]}`).join(" + ");
  const layer = (W, l) => [
    ...quads.map((o) => `let z${l}${o} = ${product(W, o)};`),
    ...quads.map((o) => `y${o} = max(texel(latent, ${4 * l + o}) * z${l}${o} + texel(latent, ${4 * (depth + l) + o}), vec4f(0));`),
  ].join("\n");
  const state = held === "textures"
    ? `@group(0) @binding(0) var state: texture_2d_array<f32>;
       fn texel(at: vec2i, layer: i32) -> vec4f { return textureLoad(state, at, layer, 0); }`
    : `@group(0) @binding(0) var<storage, read> state: array<vec2u>;
       fn texel(at: vec2i, layer: i32) -> vec4f {
         let halves = state[(at.y * ${LATENTS.width} + at.x) * ${layers} + layer];
         return vec4f(unpack2x16float(halves.x), unpack2x16float(halves.y));
       }`;
  const entry = stage === "compute"
    ? `@group(0) @binding(1) var image: texture_storage_2d<rgba8unorm, write>;
       @compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) at: vec3u) {
         textureStore(image, vec2i(at.xy), colour(vec2f(at.xy) + 0.5));
       }`
    : `@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
         return vec4f(select(-1.0, 3.0, i == 1), select(-1.0, 3.0, i == 2), 0, 1);
       }
       @fragment fn pixel(@builtin(position) at: vec4f) -> @location(0) vec4f { return colour(at.xy); }`;
  return `${state}
    struct Corners { latent: vec2i, rel: vec2f, weight: vec2f }
    fn corners(at: f32, n: i32) -> Corners {
      let before = i32(floor(at + 1e-5));
      let latent = clamp(vec2i(before, before + 1), vec2i(0), vec2i(n - 1));
      let rel = 2.0 * (at - vec2f(latent));
      let opposite = abs(rel.yx);
      return Corners(latent, rel, opposite / (opposite.x + opposite.y));
    }
    fn colour(pixel: vec2f) -> vec4f {
      let at = pixel / ${SCALE}.0 - 0.5;
      let across = corners(at.x, ${LATENTS.width});
      let down = corners(at.y, ${LATENTS.height});
      ${quads.map((o) => `var sum${o} = vec4f(0);`).join(" ")}
      for (var t = 0; t < 4; t++) {
        let latent = vec2i(across.latent[t & 1], down.latent[t >> 1]);
        let x = across.rel[t & 1];
        let y = down.rel[t >> 1];
        let weight = across.weight[t & 1] * down.weight[t >> 1];
        ${quads.map((o) => `var y${o} = max(texel(latent, ${o}) * (${rows[o]} * y + ${columns[o]} * x) + texel(latent, ${4 * depth + o}), vec4f(0));`).join("\n")}
        ${hidden.map((W, i) => layer(W, i + 1)).join("\n")}
        ${quads.map((o) => `sum${o} += weight * y${o};`).join(" ")}
      }
      var rgb = vec3f(${bias.join(", ")});
      ${[0, 1, 2].map((k) => `rgb[${k}] += ${quads.map((o) => `dot(${vector(last[k].slice(4 * o, 4 * o + 4))}, sum${o})`).join(" + ")};`).join("\n")}
      return vec4f(clamp(0.5 * rgb + 0.5, vec3f(0), vec3f(1)), 1);
    }
    ${entry}`;
}

function byWebGl(texels) {
  const painter = GlPainter.on(Object.assign(document.createElement("canvas"), PIXELS));
  const cell = [2 / CLIPPED_AT, 2 / CLIPPED_AT];
  const state = painter.stateOf(mlp, { top: 0, left: 0, ...LATENTS, cell, texels });
  return async () => {
    const image = painter.emptyImage(PIXELS.width, PIXELS.height, { x: 0, y: 0, scale: SCALE });
    const took = painter.render(mlp, state, image, { left: 0, top: 0, ...PIXELS }, [LATENTS.width, LATENTS.height], cell);
    const pixels = painter.pixels(image);
    painter.release(image);
    return [took, pixels];
  };
}
const CLIPPED_AT = 4;

async function byWebGpu(device, way, texels) {
  const [stage, held] = way.split(", ");
  const { layers } = mlp;
  const latents = LATENTS.width * LATENTS.height;
  const module = device.createShaderModule({ code: wgsl(way) });
  for (const { type, message } of (await module.getCompilationInfo()).messages) if (type === "error") throw new Error(message);
  const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_SRC;
  const image = device.createTexture({ size: [PIXELS.width, PIXELS.height], format: "rgba8unorm", usage });
  let state;
  if (held === "textures") {
    const size = [LATENTS.width, LATENTS.height, layers];
    const texture = device.createTexture({ size, format: "rgba16float", usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST });
    device.queue.writeTexture({ texture }, texels, { bytesPerRow: 8 * LATENTS.width, rowsPerImage: LATENTS.height }, size);
    state = texture.createView({ dimension: "2d-array" });
  } else {
    const byLatent = texels.map((_, i) => texels[4 * (((i >> 2) % layers) * latents + Math.floor(i / (4 * layers))) + (i & 3)]);
    const buffer = device.createBuffer({ size: byLatent.byteLength, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(buffer, 0, byLatent);
    state = { buffer };
  }
  const pipeline = stage === "compute"
    ? device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } })
    : device.createRenderPipeline({
        layout: "auto",
        vertex: { module, entryPoint: "corner" },
        fragment: { module, entryPoint: "pixel", targets: [{ format: "rgba8unorm" }] },
      });
  const entries = [{ binding: 0, resource: state }];
  if (stage === "compute") entries.push({ binding: 1, resource: image.createView() });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const read = device.createBuffer({ size: 4 * PIXELS.width * PIXELS.height, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  return async () => {
    const begin = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = stage === "compute"
      ? encoder.beginComputePass()
      : encoder.beginRenderPass({ colorAttachments: [{ view: image.createView(), loadOp: "clear", storeOp: "store" }] });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    if (stage === "compute") pass.dispatchWorkgroups(PIXELS.width / 8, PIXELS.height / 8);
    else pass.draw(3);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const took = performance.now() - begin;
    const copier = device.createCommandEncoder();
    copier.copyTextureToBuffer({ texture: image }, { buffer: read, bytesPerRow: 4 * PIXELS.width }, [PIXELS.width, PIXELS.height]);
    device.queue.submit([copier.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    const pixels = new Uint8Array(read.getMappedRange().slice(0));
    read.unmap();
    return [took, pixels];
  };
}

async function compare(rounds) {
  const texels = chance(4 * mlp.layers * LATENTS.width * LATENTS.height);
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter");
  const device = await adapter.requestDevice();
  const ways = { WebGL2: byWebGl(texels) };
  for (const way of WAYS) ways[`WebGPU, ${way}`] = await byWebGpu(device, way, texels);
  const found = Object.keys(ways).map((way) => ({ way, ms: Infinity, difference: 0 }));
  for (let round = 0; round < rounds; round++) {
    let expected;
    for (const row of found) {
      const [took, pixels] = await ways[row.way]();
      expected ??= pixels;
      row.ms = Math.min(row.ms, took);
      row.difference = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), row.difference);
    }
  }
  return { adapter: `${adapter.info.vendor} ${adapter.info.architecture}`, found };
}
