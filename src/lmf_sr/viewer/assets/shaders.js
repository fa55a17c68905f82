// The shaders (WebGL2). A rectangle of pixels begins in the LR picture at `corner + fraction`, whole LR pixels and a remainder,
// so float32 suffices at any zoom. A pixel is `step_` LR pixels wide. Places are (x, y), y down.

const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1);
}`;

const PLACE = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;
uniform ivec2 corner;
uniform vec2 fraction, step_;
uniform ivec2 size;  // of the LR picture
out vec4 colour;
`;

// Draws the picture itself: its nearest pixels, bicubic (Keys' kernel, a = -1/2, mirrored at the border, as in MATLAB), or,
// below scale 1, smoothed by mipmaps.
const PICTURE = `${PLACE}
uniform sampler2D picture;
uniform vec2 origin;  // of the rectangle, in pixels from the canvas's top left
uniform float height;  // of the canvas
uniform int mode;  // 0 nearest, 1 bicubic, 2 smoothed

float keys(float x) {
  x = abs(x);
  return x <= 1.0 ? (1.5 * x - 2.5) * x * x + 1.0 : x <= 2.0 ? ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0 : 0.0;
}
ivec2 mirrored(ivec2 at) {
  at = (at % (2 * size) + 2 * size) % (2 * size);
  return min(at, 2 * size - 1 - at);
}
void main() {
  vec2 at = fraction + (vec2(gl_FragCoord.x, height - gl_FragCoord.y) - origin) * step_;
  vec2 whole = vec2(corner) + at;
  if (any(lessThan(whole, vec2(0))) || any(greaterThanEqual(whole, vec2(size)))) discard;
  if (mode == 0) {
    colour = texelFetch(picture, corner + ivec2(floor(at)), 0);
  } else if (mode == 2) {
    colour = textureLod(picture, whole / vec2(size), log2(max(step_.x, 1.0)));
  } else {
    vec2 first = floor(at - 0.5);
    vec2 rest = at - 0.5 - first;
    vec3 sum = vec3(0);
    for (int j = -1; j <= 2; j++)
      for (int i = -1; i <= 2; i++)
        sum += keys(rest.x - float(i)) * keys(rest.y - float(j))
             * texelFetch(picture, mirrored(corner + ivec2(first) + ivec2(i, j)), 0).rgb;
    colour = vec4(clamp(sum, 0.0, 1.0), 1);
  }
  colour.a = 1.0;
}`;

// Draws an image, rendered for any place and scale, where it belongs in this view. Pixels with alpha 0 are not rendered yet.
const IMAGE = `${PLACE}
uniform sampler2D image;
uniform vec2 origin, offset, ratio;  // pixel of the rectangle to pixel of the image: offset + ratio * pixel
uniform float height, opacity;
uniform bool smooth_;
void main() {
  vec2 at = offset + ratio * (vec2(gl_FragCoord.x, height - gl_FragCoord.y) - origin);
  vec2 extent = vec2(textureSize(image, 0));
  if (any(lessThan(at, vec2(0))) || any(greaterThanEqual(at, extent))) discard;
  vec4 value = smooth_ ? textureLod(image, at / extent, 0.0) : texelFetch(image, ivec2(at), 0);
  if (value.a < 0.5) discard;
  colour = vec4(value.rgb, opacity);
}`;

// Evaluates the render MLP of an LMF decoder (viewer/textures.py, lmf/conversion.py) at each pixel of a rectangle and draws to a
// texture, first row first. `state` is an array of textures with the latents of a window. The matrices are part of the code,
// because software GL takes four times as long to read them from uniforms.
function renderMlp({ input, depth, skip, first, hidden }) {
  const waves = input === "waves";
  const matrices = waves ? [first, ...hidden] : hidden;
  const code = 8 * depth;
  return `${PLACE}
uniform sampler2DArray state;
uniform ivec2 begin;  // the window's first latent
uniform vec2 tie;  // in latents: this far before the middle between two latents, a pixel belongs to the later one
uniform vec4 row[4], col[4], shift[4], last[12], phase[2];
uniform vec3 bias;

void corners(float at, int origin, int n, float tie, out ivec2 latent, out vec2 rel, out vec2 weight) {
  int before = int(floor(at + tie));
  latent = clamp(ivec2(origin + before) + ivec2(0, 1), 0, n - 1);
  rel = 2.0 * (at - vec2(latent - origin));
  vec2 opposite = abs(rel.yx);
  float total = opposite.x + opposite.y;
  weight = total > 0.0 ? opposite / total : vec2(0.5);
}
vec4 texel(ivec2 at, int layer) { return texelFetch(state, ivec3(at, layer), 0); }

void main() {
  vec2 at = fraction + gl_FragCoord.xy * step_ - 0.5;
  ivec2 xs, ys;
  vec2 relX, relY, weightX, weightY;
  corners(at.x, corner.x, size.x, tie.x, xs, relX, weightX);
  corners(at.y, corner.y, size.y, tie.y, ys, relY, weightY);
  vec4 sum0 = vec4(0), sum1 = vec4(0), sum2 = vec4(0), sum3 = vec4(0);
  vec3 lr = vec3(0);
  for (int t = 0; t < 4; t++) {
    int i = t & 1, j = t >> 1;
    ivec2 latent = ivec2(xs[i], ys[j]) - begin;
    float x = relX[i], y = relY[j], weight = weightX[i] * weightY[j];
    vec4 y0, y1, y2, y3, z0, z1, z2, z3;
${
  waves
    ? `
    vec4 f0 = texel(latent, ${code + 4}), f1 = texel(latent, ${code + 5});
    vec4 f2 = texel(latent, ${code + 6}), f3 = texel(latent, ${code + 7});
    vec4 low = vec4(f0.xz, f1.xz) * y + vec4(f0.yw, f1.yw) * x + phase[0];
    vec4 high = vec4(f2.xz, f3.xz) * y + vec4(f2.yw, f3.yw) * x + phase[1];
    low = 3.14159265358979 * (low - 2.0 * round(0.5 * low));
    high = 3.14159265358979 * (high - 2.0 * round(0.5 * high));
    y0 = texel(latent, ${code}) * cos(low);
    y1 = texel(latent, ${code + 1}) * cos(high);
    y2 = texel(latent, ${code + 2}) * sin(low);
    y3 = texel(latent, ${code + 3}) * sin(high);`
    : `
    y0 = max(texel(latent, 0) * (row[0] * y + col[0] * x + shift[0]) + texel(latent, ${4 * depth}), 0.0);
    y1 = max(texel(latent, 1) * (row[1] * y + col[1] * x + shift[1]) + texel(latent, ${4 * depth + 1}), 0.0);
    y2 = max(texel(latent, 2) * (row[2] * y + col[2] * x + shift[2]) + texel(latent, ${4 * depth + 2}), 0.0);
    y3 = max(texel(latent, 3) * (row[3] * y + col[3] * x + shift[3]) + texel(latent, ${4 * depth + 3}), 0.0);`
}
${matrices.map((W, i) => hiddenLayer(W, depth - matrices.length + i, depth)).join("")}
    sum0 += weight * y0; sum1 += weight * y1; sum2 += weight * y2; sum3 += weight * y3;
    ${skip ? `lr += weight * texel(latent, ${code + (waves ? 8 : 0)}).rgb;` : ""}
  }
  vec3 rgb = bias + lr;
  for (int k = 0; k < 3; k++)
    rgb[k] += dot(last[4 * k], sum0) + dot(last[4 * k + 1], sum1) + dot(last[4 * k + 2], sum2) + dot(last[4 * k + 3], sum3);
  colour = vec4(clamp(0.5 * rgb + 0.5, 0.0, 1.0), 1);
}`;
}

// The code of one layer, y <- relu(gain * (W y) + offset), four values at a time.
function hiddenLayer(W, layer, depth) {
  const quads = [0, 1, 2, 3];
  const column = (o, i) => `vec4(${quads.map((r) => W[4 * o + r][i].toExponential(8)).join(", ")})`;
  const product = (o) => W.map((_, i) => `${column(o, i)} * y${i >> 2}.${"xyzw"[i & 3]}`).join("\n      + ");
  const at = (o) => [4 * layer + o, 4 * (depth + layer) + o];
  const scaled = (o) => `max(texel(latent, ${at(o)[0]}) * z${o} + texel(latent, ${at(o)[1]}), 0.0)`;
  return [...quads.map((o) => `    z${o} = ${product(o)};`), ...quads.map((o) => `    y${o} = ${scaled(o)};`), ""].join("\n");
}
