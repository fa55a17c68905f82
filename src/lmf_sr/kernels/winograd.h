/* 3x3 convolutions with zero padding by Winograd's F(2x2, 3x3) (Lavin & Gray, CVPR 2016): 16 products where the
   definition has 36,

       Y = A^T [ (G g G^T) . (B^T d B) ] A        d: 4x4 inputs, Y: 2x2 outputs, a tile

   with sums and differences only around the products, so that it is as exact as the definition in practice. It is done
   for a stretch of TILES tiles, two lines of up to 2 * TILES positions, so that all stages stay in the level-2 cache. */

#pragma once

#include <stdlib.h>
#include <string.h>

#include "vectors.h"

enum { TILES = 32, POSITIONS = 2 * TILES, PATCH = POSITIONS + 2, POINTS = 16 };
/* A product keeps LINE_GROUP lines by PANEL vectors of sums in registers. */
#ifdef __AVX512F__
enum { LINE_GROUP = 8, PANEL = 3 };
#else
enum { LINE_GROUP = 6, PANEL = 1 };
#endif

/* c = bias + a b, or its relu: `lines` lines of a by one panel of b, v vectors wide. */
INLINE void panel_product(int v, const float *a, int64_t a_line, int lines, const float *b, int64_t in, int64_t b_line,
                          const float *bias, int with_relu, float *c, int64_t c_line)
{
    for (int t = 0; t < lines; t += LINE_GROUP, a += LINE_GROUP * a_line, c += LINE_GROUP * c_line) {
        vector sums[LINE_GROUP][PANEL];
        EACH(i, LINE_GROUP)
            EACH(k, v) sums[i][k] = bias ? load(bias + LANES * k) : (vector){};
        const float *b_j = b;
        for (int64_t j = 0; j < in; j++, b_j += b_line) {
            vector w[PANEL];
            EACH(k, v) w[k] = load(b_j + LANES * k);
            EACH(i, LINE_GROUP)
                EACH(k, v) sums[i][k] += w[k] * a[i * a_line + j];
        }
        EACH(i, LINE_GROUP)
            if (t + i < lines)
                EACH(k, v) store(c + i * c_line + LANES * k, with_relu ? relu(sums[i][k]) : sums[i][k]);
    }
}

#define PRODUCT(v)                                                                                                  \
    static __attribute__((noinline)) void product_##v(const float *a, int64_t a_line, int lines, const float *b,    \
                                                      int64_t in, int64_t b_line, const float *bias, int with_relu, \
                                                      float *c, int64_t c_line)                                     \
    {                                                                                                               \
        panel_product(v, a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);                              \
    }
PRODUCT(1)
#ifdef __AVX512F__
PRODUCT(2)
PRODUCT(3)
#endif

/* The width in vectors of the next panel, of `left`: PANEL, but rather two of 2 than one of 1. */
INLINE int next_panel(int64_t left)
{
    if (PANEL == 1 || left == 1) return 1;
    return left == 2 || left == 4 ? 2 : 3;
}

/* As panel_product, for any of the widths of next_panel. `a` is read up to a multiple of LINE_GROUP lines. */
INLINE void product(int v, const float *a, int64_t a_line, int lines, const float *b, int64_t in, int64_t b_line,
                    const float *bias, int with_relu, float *c, int64_t c_line)
{
#ifdef __AVX512F__
    if (v == 3) product_3(a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);
    if (v == 2) product_2(a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);
#endif
    if (v == 1) product_1(a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);
}

/* patch[i][j][channel]: the input of 4 lines by `cols` positions from (row, col) on */
static void fetch(const lmf_picture *d, int64_t channels, int64_t image, int64_t row, int64_t col, int cols,
                  float *patch)
{
    const int64_t step = d->position_size;
    for (int64_t i = row; i < row + 4; i++, patch += PATCH * channels) {
        const int inside = 0 <= i && i < d->height;
        const int64_t begin = !inside ? cols : col < 0 ? -col : 0;
        const int64_t end = d->width - col < cols ? d->width - col : cols;
        memset(patch, 0, sizeof(float) * channels * begin);
        if (!inside) continue;
        if (end < cols) memset(patch + end * channels, 0, sizeof(float) * channels * (cols - end));
        const float *x = d->data + image * d->image_size + i * d->line_size + col * step;
        for (int64_t c = 0; c < channels; c += LANES, x += LANES * d->channel_size)
            for (int64_t j = begin; j < end; j++) {
                float of_position[LANES];
                EACH(k, LANES) of_position[k] = x[k * d->channel_size + j * step];
                store(patch + j * channels + c, d->channel_size == 1 ? load(x + j * step) : load(of_position));
            }
    }
}

/* transformed[point][tile][channel] = B^T d B of each tile's input d */
static void transform(const float *patch, int64_t channels, int tiles, float *transformed)
{
    for (int t = 0; t < tiles; t++)
        for (int64_t c = 0; c < channels; c += LANES) {
            vector d[4][4];
            EACH(i, 4) {
                const float *x = patch + (i * PATCH + 2 * t) * channels + c;
                vector x0 = load(x), x1 = load(x + channels), x2 = load(x + 2 * channels), x3 = load(x + 3 * channels);
                d[i][0] = x0 - x2, d[i][1] = x1 + x2, d[i][2] = x2 - x1, d[i][3] = x1 - x3;
            }
            float *v = transformed + t * channels + c;
            const int64_t point = TILES * channels;
            EACH(j, 4) {
                store(v + j * point, d[0][j] - d[2][j]);
                store(v + (4 + j) * point, d[1][j] + d[2][j]);
                store(v + (8 + j) * point, d[2][j] - d[1][j]);
                store(v + (12 + j) * point, d[1][j] - d[3][j]);
            }
        }
}

/* A^T M A + bias, or its relu, for one panel of v vectors: two lines of POSITIONS outputs of size `size` */
static void transform_back(const float *M, int tiles, int v, const float *bias, int with_relu, float *out, int64_t size)
{
    const int64_t point = TILES * v * LANES;
    for (int t = 0; t < tiles; t++)
        for (int k = 0; k < v; k++) {
            const float *m = M + (t * v + k) * LANES;
            vector b = load(bias + LANES * k), above[4], below[4];
            EACH(j, 4) {
                vector m0 = load(m + j * point), m1 = load(m + (4 + j) * point);
                vector m2 = load(m + (8 + j) * point), m3 = load(m + (12 + j) * point);
                above[j] = m0 + m1 + m2, below[j] = m1 - m2 - m3;
            }
            EACH(i, 2) {
                const vector *y = i ? below : above;
                vector first = y[0] + y[1] + y[2] + b, second = y[1] - y[2] - y[3] + b;
                float *o = out + (i * POSITIONS + 2 * t) * size + LANES * k;
                store(o, with_relu ? relu(first) : first);
                store(o + size, with_relu ? relu(second) : second);
            }
        }
}

/* Where a stretch keeps what its stages hand on. */
typedef struct {
    float *patch, *transformed, *M, *x;
} conv_scratch;

enum { SPARE = LINE_GROUP - 1 }; /* lines that a product reads beyond the last, and makes nothing of */

/* How many floats it takes. */
INLINE int64_t scratch_size(const lmf_linear *conv)
{
    return 4 * PATCH * conv->in + (POINTS * TILES + SPARE) * conv->in + POINTS * TILES * PANEL * LANES +
           (2 * POSITIONS + SPARE) * conv->out;
}

INLINE conv_scratch make_scratch(const lmf_linear *conv, float *memory)
{
    float *transformed = memory + 4 * PATCH * conv->in, *M = transformed + (POINTS * TILES + SPARE) * conv->in;
    return (conv_scratch){memory, transformed, M, M + POINTS * TILES * PANEL * LANES};
}

/* The convolution, or its relu, at two lines of `tiles` tiles from (row, col) on, into at.x: a line has POSITIONS.
   `weight` of the convolution: (16, in, out), transformed. */
static void convolve(const lmf_picture *input, const lmf_linear *conv, int64_t image, int64_t row, int64_t col,
                     int tiles, const float *bias, int with_relu, conv_scratch at)
{
    fetch(input, conv->in, image, row - 1, col - 1, 2 * tiles + 2, at.patch);
    transform(at.patch, conv->in, tiles, at.transformed);
    for (int64_t o = 0, v; o < conv->out; o += v * LANES) {
        v = next_panel((conv->out - o) / LANES);
        for (int p = 0; p < POINTS; p++)
            product(v, at.transformed + p * TILES * conv->in, conv->in, tiles,
                    conv->weight + p * conv->in * conv->out + o, conv->in, conv->out, NULL, 0,
                    at.M + p * TILES * v * LANES, v * LANES);
        transform_back(at.M, tiles, v, bias + o, with_relu, at.x + o, conv->out);
    }
}
