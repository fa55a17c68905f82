// Painters put images on the canvas, by WebGL2 or, without it, by a 2D context. For both, the *view* of a rectangle is
// {x, y, scale}: the place of its corner in the LR picture, and screen pixels per LR pixel. An *image* is {x, y, scale, width,
// height} with its pixels in the painter's own form, a texture or a bitmap.

class GlPainter {
  static on(canvas) {
    const options = { antialias: false, alpha: false, powerPreference: "high-performance" };
    const gl = canvas.getContext("webgl2", options);
    return gl && new GlPainter(canvas, gl);
  }

  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.name = "WebGL2";
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    this.programs = new Map();
    this.msPerPixel = new Map(); // the measured time of each render MLP
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  // Whether this painter renders the states of a model.
  renders(mlp) {
    return Boolean(mlp) && mlp.layers <= this.gl.getParameter(this.gl.MAX_ARRAY_TEXTURE_LAYERS);
  }

  program(name, source) {
    if (this.programs.has(name)) return this.programs.get(name);
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, source()]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`the shader ${name.input ?? name} does not compile: ${[gl.getProgramInfoLog(program), ...logs].join(" ")}`);
    }
    const places = {};
    for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
      const { name: uniform } = gl.getActiveUniform(program, i);
      places[uniform.replace("[0]", "")] = gl.getUniformLocation(program, uniform);
    }
    const compiled = { program, places };
    this.programs.set(name, compiled);
    return compiled;
  }

  texture(width, height, filter) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, filter], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) gl.texParameteri(gl.TEXTURE_2D, key, value);
    return texture;
  }

  // Images

  setPicture(bitmap) {
    const { gl } = this;
    if (this.picture) this.release(this.picture);
    const texture = this.texture(bitmap.width, bitmap.height, gl.LINEAR_MIPMAP_LINEAR);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.generateMipmap(gl.TEXTURE_2D);
    this.picture = { texture, width: bitmap.width, height: bitmap.height };
  }

  imageOf(pixels, place) {
    const { gl } = this;
    const texture = this.texture(pixels.width, pixels.height, gl.LINEAR);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    return { ...place, width: pixels.width, height: pixels.height, texture };
  }

  emptyImage(width, height, place) {
    const { gl } = this;
    const texture = this.texture(width, height, gl.LINEAR);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    const target = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    return { ...place, width, height, texture, target };
  }

  release(image) {
    if (!image || !image.texture) return;
    this.gl.deleteTexture(image.texture);
    if (image.target) this.gl.deleteFramebuffer(image.target);
    image.texture = image.target = null;
  }

  // Painting

  begin(background) {
    const { gl, canvas } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(...background.map((v) => v / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  use({ program, places }, rect, view, size, stretch = [1, 1]) {
    const { gl, canvas } = this;
    gl.useProgram(program);
    const at = [view.x * stretch[0], view.y * stretch[1]];
    const corner = at.map(Math.floor);
    gl.uniform2i(places.corner, ...corner);
    gl.uniform2f(places.fraction, at[0] - corner[0], at[1] - corner[1]);
    gl.uniform2f(places.step_, stretch[0] / view.scale, stretch[1] / view.scale);
    gl.uniform2i(places.size, ...size);
    if (!rect) return;
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(rect.left, canvas.height - rect.top - rect.height, rect.width, rect.height);
    gl.uniform2f(places.origin, rect.left, rect.top);
    gl.uniform1f(places.height, canvas.height);
  }

  paintPicture(rect, view, size, mode) {
    const { gl, picture } = this;
    const stretch = [picture.width / size[0], picture.height / size[1]];
    const program = this.program("picture", () => PICTURE);
    this.use(program, rect, view, [picture.width, picture.height], stretch);
    const enlarged = view.scale / stretch[0] >= 1;
    gl.uniform1i(program.places.mode, enlarged ? (mode === "nearest" ? 0 : 1) : 2);
    gl.bindTexture(gl.TEXTURE_2D, picture.texture);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  paintImage(rect, view, image, smooth, opacity = 1) {
    const { gl } = this;
    const program = this.program("image", () => IMAGE);
    this.use(program, rect, view, [1, 1]);
    const ratio = image.scale / view.scale;
    gl.uniform2f(program.places.offset, (view.x - image.x) * image.scale, (view.y - image.y) * image.scale);
    gl.uniform2f(program.places.ratio, ratio, ratio);
    gl.uniform1f(program.places.opacity, opacity);
    gl.uniform1i(program.places.smooth_, smooth && Math.abs(ratio - 1) > 1e-9 ? 1 : 0);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindTexture(gl.TEXTURE_2D, image.texture);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.BLEND);
  }

  // The colour of a pixel on the canvas.
  pixel(x, y) {
    const { gl, canvas } = this;
    const rgba = new Uint8Array(4);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(x, canvas.height - 1 - y, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return rgba.subarray(0, 3);
  }

  // The pixels of an image, first row first.
  pixels(image) {
    const { gl } = this;
    const rgba = new Uint8ClampedArray(4 * image.width * image.height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, image.target);
    gl.readPixels(0, 0, image.width, image.height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return rgba;
  }

  // Rendering

  // A state (sources.js) with its texels as textures.
  stateOf(mlp, state) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA16F, state.width, state.height, mlp.layers);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, state.width, state.height, mlp.layers, gl.RGBA, gl.HALF_FLOAT, state.texels);
    return { ...state, texels: null, texture };
  }

  // Renders a tile of an image from a state, waits for it and gives the milliseconds. `cell` is the cell of the image's pixels.
  render(mlp, state, image, tile, size, cell) {
    const { gl } = this;
    const begin = performance.now();
    const compiled = this.program(mlp, () => renderMlp(mlp));
    const { places } = compiled;
    gl.bindFramebuffer(gl.FRAMEBUFFER, image.target);
    gl.viewport(0, 0, image.width, image.height);
    this.use(compiled, null, image, size);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(tile.left, tile.top, tile.width, tile.height);
    gl.uniform2i(places.begin, state.left, state.top);
    gl.uniform2f(places.tie, ...size.map((n) => 5e-7 * Math.min(n, 48)));
    const { first, last, bias } = mlp;
    if (mlp.input === "rel") {
      gl.uniform4fv(places.row, first.map((of) => of[0]));
      gl.uniform4fv(places.col, first.map((of) => of[1]));
      const moved = cell.map((value, axis) => value - state.cell[axis]);
      gl.uniform4fv(places.shift, first.map((_, i) => (mlp.cell ? mlp.cell[i][0] * moved[0] + mlp.cell[i][1] * moved[1] : 0)));
    } else {
      gl.uniform4fv(places.phase, mlp.cell.map((of) => of[0] * cell[0] + of[1] * cell[1]));
    }
    gl.uniform4fv(places.last, last.flat());
    gl.uniform3fv(places.bias, bias);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, state.texture);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(tile.left, tile.top, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits for the tile
    const took = performance.now() - begin;
    const before = this.msPerPixel.get(mlp);
    const now = took / (tile.width * tile.height);
    this.msPerPixel.set(mlp, before === undefined ? now : 0.7 * before + 0.3 * now);
    return took;
  }
}

class PlainPainter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.name = "no WebGL2";
    this.largest = 4096;
  }

  renders() {
    return false;
  }

  setPicture(bitmap) {
    this.picture = { x: 0, y: 0, scale: 1, width: bitmap.width, height: bitmap.height, bitmap };
  }

  imageOf(bitmap, place) {
    return { ...place, width: bitmap.width, height: bitmap.height, bitmap };
  }

  release(image) {
    if (!image || !image.bitmap) return;
    image.bitmap.close?.();
    image.bitmap = null;
  }

  begin(background) {
    this.context.fillStyle = `rgb(${background.join(" ")})`;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  paintPicture(rect, view, size, mode) {
    const stretched = { ...this.picture, stretch: [size[0] / this.picture.width, size[1] / this.picture.height] };
    this.paintImage(rect, view, stretched, mode !== "nearest");
  }

  paintImage(rect, view, image, smooth, opacity = 1) {
    const { context } = this;
    const ratio = view.scale / image.scale;
    const [across, down] = image.stretch ?? [1, 1];
    context.save();
    context.beginPath();
    context.rect(rect.left, rect.top, rect.width, rect.height);
    context.clip();
    context.imageSmoothingEnabled = smooth && Math.abs(ratio - 1) > 1e-9;
    context.imageSmoothingQuality = "high";
    context.globalAlpha = opacity;
    // Only the part in view is drawn, because a canvas cannot hold a whole picture at any scale.
    const left = Math.max(Math.floor((view.x - image.x) * image.scale / across) - 1, 0);
    const top = Math.max(Math.floor((view.y - image.y) * image.scale / down) - 1, 0);
    const right = Math.min(Math.ceil((view.x + rect.width / view.scale - image.x) * image.scale / across) + 1, image.width);
    const bottom = Math.min(Math.ceil((view.y + rect.height / view.scale - image.y) * image.scale / down) + 1, image.height);
    if (right > left && bottom > top)
      context.drawImage(image.bitmap, left, top, right - left, bottom - top,
        rect.left + (image.x - view.x) * view.scale + left * across * ratio,
        rect.top + (image.y - view.y) * view.scale + top * down * ratio,
        (right - left) * across * ratio, (bottom - top) * down * ratio);
    context.restore();
  }

  pixel(x, y) {
    return this.context.getImageData(x, y, 1, 1).data.subarray(0, 3);
  }
}
