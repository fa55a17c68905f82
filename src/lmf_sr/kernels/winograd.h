/* 3x3 convolutions with zero padding by Winograd's F(m x m, 3x3) (Lavin & Gray, CVPR 2016): (m + 2)^2 products where
   the definition has 9 m^2,

       Y = A^T [ (G g G^T) . (B^T d B) ] A        d: (m + 2)^2 inputs, Y: m x m outputs, a tile

       m = 2     16 products for 36, with nothing but sums and differences around them
       m = 4     36 products for 144, with points 0, +-A1, +-A2

   Both are as exact as the definition in practice: they round away less than the sums over channels do. The work is
   done for a stretch of m lines of up to POSITIONS positions, so that all stages stay in the level-2 cache.
   `winograd.py` transforms the weights, into (points, in, out). Wherever m is an argument, it is a constant to the
   compiler. */

#pragma once

#include <stdlib.h>
#include <string.h>

#include "vectors.h"

enum { POSITIONS = 64, COLUMNS = POSITIONS + 2, MAX_TILE = 4, MAX_SIDE = MAX_TILE + 2 };
/* A product keeps LINE_GROUP lines by PANEL vectors of sums in registers. */
#if NATIVE == 16
enum { LINE_GROUP = 8, PANEL = 3 };
#elif NATIVE == 8
enum { LINE_GROUP = 6, PANEL = 2 };
#else
enum { LINE_GROUP = 4, PANEL = 4 };
#endif
enum { SPARE = LINE_GROUP - 1 }; /* lines beyond the last that a product reads and ignores */

#define A1 0.75f
#define A2 1.5f

/* The activation after a layer: x, max(x, 0) or x < 0 ? slope x : x, for a slope of 1, of 0 and any other. */
INLINE vector activated(vector x, float slope)
{
    if (slope == 1) return x;
    return slope == 0 ? relu(x) : leaky_relu(x, slope);
}

/* c = bias + a b, activated, for `lines` lines of a and one panel of b, v vectors wide. */
INLINE void panel_product(int v, const float *a, int64_t a_line, int lines, const float *b, int64_t in, int64_t b_line,
                          const float *bias, float slope, float *c, int64_t c_line)
{
    for (int t = 0; t < lines; t += LINE_GROUP, a += LINE_GROUP * a_line, c += LINE_GROUP * c_line) {
        vector sums[LINE_GROUP][PANEL];
        EACH(i, LINE_GROUP)
            EACH(k, v) sums[i][k] = bias ? load(bias + NATIVE * k) : (vector){};
        const float *b_j = b;
        for (int64_t j = 0; j < in; j++, b_j += b_line) {
            vector w[PANEL];
            EACH(k, v) w[k] = load(b_j + NATIVE * k);
            EACH(i, LINE_GROUP)
                EACH(k, v) sums[i][k] += w[k] * a[i * a_line + j];
        }
        EACH(i, LINE_GROUP)
            if (t + i < lines)
                EACH(k, v) store(c + i * c_line + NATIVE * k, activated(sums[i][k], slope));
    }
}

#define PRODUCT(v)                                                                                                \
    static __attribute__((noinline)) void product_##v(const float *a, int64_t a_line, int lines, const float *b,  \
                                                      int64_t in, int64_t b_line, const float *bias, float slope, \
                                                      float *c, int64_t c_line)                                   \
    {                                                                                                             \
        panel_product(v, a, a_line, lines, b, in, b_line, bias, slope, c, c_line);                                \
    }
#if NATIVE == 16
PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
#elif NATIVE == 8
PRODUCT(2)
#else
PRODUCT(4)
#endif

/* The width of the next panel, in vectors, where `left` remain. With 16 floats a vector it is 3, but 4 vectors are
   divided into 2 + 2, because a panel of 1 is slow. */
INLINE int next_panel(int64_t left)
{
    if (NATIVE < 16) return PANEL;
    return left == 1 ? 1 : left == 2 || left == 4 ? 2 : 3;
}

/* panel_product for a width that next_panel returns. `a` is read up to a multiple of LINE_GROUP lines. */
INLINE void product(int v, const float *a, int64_t a_line, int lines, const float *b, int64_t in, int64_t b_line,
                    const float *bias, float slope, float *c, int64_t c_line)
{
#if NATIVE == 16
    if (v == 1) product_1(a, a_line, lines, b, in, b_line, bias, slope, c, c_line);
    if (v == 2) product_2(a, a_line, lines, b, in, b_line, bias, slope, c, c_line);
    if (v == 3) product_3(a, a_line, lines, b, in, b_line, bias, slope, c, c_line);
#elif NATIVE == 8
    product_2(a, a_line, lines, b, in, b_line, bias, slope, c, c_line);
#else
    product_4(a, a_line, lines, b, in, b_line, bias, slope, c, c_line);
#endif
}

/* A linear layer on `lines` lines of x, activated. */
INLINE void apply_layer(const lmf_linear *layer, const float *bias, const float *x, int64_t x_line, int lines,
                        float slope, float *y, int64_t y_line)
{
    for (int64_t o = 0, v; o < layer->out; o += v * NATIVE) {
        v = next_panel((layer->out - o) / NATIVE);
        product(v, x, x_line, lines, layer->weight + o, layer->in, layer->out, bias + o, slope, y + o, y_line);
    }
}

/* t = B^T d, from the m + 2 inputs of a line or a column. */
INLINE void transform_inputs(int m, const vector *d, vector *t)
{
    if (m == 2) {
        t[0] = d[2] - d[0], t[1] = d[1] + d[2], t[2] = d[2] - d[1], t[3] = d[3] - d[1];
        return;
    }
    const float a = A1 * A1, b = A2 * A2;
    const vector even1 = d[4] - b * d[2], odd1 = A1 * (d[3] - b * d[1]);
    const vector even2 = d[4] - a * d[2], odd2 = A2 * (d[3] - a * d[1]);
    t[0] = a * b * d[0] - (a + b) * d[2] + d[4];
    t[1] = even1 + odd1, t[2] = even1 - odd1;
    t[3] = even2 + odd2, t[4] = even2 - odd2;
    t[5] = a * b * d[1] - (a + b) * d[3] + d[5];
}

/* y = A^T p, m outputs from m + 2 products. */
INLINE void transform_products(int m, const vector *p, vector *y)
{
    if (m == 2) {
        y[0] = p[0] + p[1] + p[2], y[1] = p[1] - p[2] + p[3];
        return;
    }
    const vector even1 = p[1] + p[2], odd1 = A1 * (p[1] - p[2]), even2 = p[3] + p[4], odd2 = A2 * (p[3] - p[4]);
    y[0] = p[0] + even1 + even2;
    y[1] = odd1 + odd2;
    y[2] = A1 * A1 * even1 + A2 * A2 * even2;
    y[3] = A1 * A1 * odd1 + A2 * A2 * odd2 + p[5];
}

INLINE vector load_channels(const float *x, int64_t channel_size)
{
    if (channel_size == 1) return load(x);
    float channels[NATIVE];
    EACH(k, NATIVE) channels[k] = x[k * channel_size];
    return load(channels);
}

/* Fills columns[i][j][channel] with B^T d of the column of inputs at (row, col + j), for j from `begin` up to `end`. */
INLINE void transform_inside(int m, int channels_are_neighbours, const lmf_picture *x, int64_t channels, int64_t image,
                             int64_t row, int64_t col, int64_t begin, int64_t end, float *columns)
{
    const int64_t size = channels_are_neighbours ? 1 : x->channel_size;
    const float *first = x->data + image * x->image_size + row * x->line_size + col * x->position_size;
    const int above = row < 0 ? -row : 0, below = x->height - row < m + 2 ? x->height - row : m + 2;
    for (int64_t j = begin; j < end; j++)
        for (int64_t c = 0; c < channels; c += NATIVE) {
            const float *at = first + j * x->position_size + c * size;
            vector d[MAX_SIDE], t[MAX_SIDE];
            if (above == 0 && below == m + 2)
                EACH(i, m + 2) d[i] = load_channels(at + i * x->line_size, size);
            else
                EACH(i, m + 2) d[i] = i < above || i >= below ? (vector){} : load_channels(at + i * x->line_size, size);
            transform_inputs(m, d, t);
            EACH(i, m + 2) store(columns + (i * COLUMNS + j) * channels + c, t[i]);
        }
}

/* Does so for `cols` columns, which may lie outside the picture. */
INLINE void transform_columns(int m, const lmf_picture *x, int64_t channels, int64_t image, int64_t row, int64_t col,
                              int cols, float *columns)
{
    const int64_t begin = col < 0 ? -col : 0, end = x->width - col < cols ? x->width - col : cols;
    for (int i = 0; i < m + 2; i++) {
        float *line = columns + i * COLUMNS * channels;
        memset(line, 0, sizeof(float) * channels * begin);
        if (end < cols) memset(line + end * channels, 0, sizeof(float) * channels * (cols - end));
    }
    if (x->channel_size == 1)
        transform_inside(m, 1, x, channels, image, row, col, begin, end, columns);
    else
        transform_inside(m, 0, x, channels, image, row, col, begin, end, columns);
}

/* The floats that each point's tiles take. The line between points keeps them out of each other's cache sets. */
INLINE int64_t point_size(int m, int64_t channels) { return POSITIONS / m * channels + LANES; }

/* Fills points[point][tile][channel] with B^T d B, from the transformed columns. */
INLINE void transform_lines(int m, const float *columns, int64_t channels, int tiles, float *points)
{
    const int64_t point = point_size(m, channels);
    for (int t = 0; t < tiles; t++)
        for (int64_t c = 0; c < channels; c += NATIVE)
            for (int i = 0; i < m + 2; i++) {
                vector d[MAX_SIDE], transformed[MAX_SIDE];
                EACH(j, m + 2) d[j] = load(columns + (i * COLUMNS + m * t + j) * channels + c);
                transform_inputs(m, d, transformed);
                EACH(j, m + 2) store(points + (i * (m + 2) + j) * point + t * channels + c, transformed[j]);
            }
}

/* Computes A^T M A + bias, activated, for one panel of v vectors, as m lines of POSITIONS outputs of size `size`. */
INLINE void transform_back(int m, const float *M, int tiles, int v, const float *bias, float slope, float *out,
                           int64_t size)
{
    const int64_t point = point_size(m, v * NATIVE);
    for (int t = 0; t < tiles; t++)
        for (int k = 0; k < v; k++) {
            vector b = load(bias + NATIVE * k), half[MAX_TILE][MAX_SIDE];
            EACH(j, m + 2) {
                vector p[MAX_SIDE], y[MAX_TILE];
                EACH(i, m + 2) p[i] = load(M + (i * (m + 2) + j) * point + (t * v + k) * NATIVE);
                transform_products(m, p, y);
                EACH(i, m) half[i][j] = y[i];
            }
            EACH(i, m) {
                vector y[MAX_TILE];
                transform_products(m, half[i], y);
                EACH(j, m) store(out + (i * POSITIONS + m * t + j) * size + NATIVE * k, activated(y[j] + b, slope));
            }
        }
}

/* The memory in which a stretch keeps what its stages hand on. */
typedef struct {
    float *columns, *points, *M, *x;
} conv_scratch;

/* The floats that this memory takes. */
INLINE int64_t scratch_size(int m, const lmf_linear *conv)
{
    const int64_t points = (m + 2) * (m + 2);
    return (m + 2) * COLUMNS * conv->in + points * point_size(m, conv->in) + SPARE * conv->in +
           points * point_size(m, PANEL * NATIVE) + (m * POSITIONS + SPARE) * conv->out;
}

INLINE conv_scratch make_scratch(int m, const lmf_linear *conv, float *memory)
{
    const int64_t n = (m + 2) * (m + 2);
    float *points = memory + (m + 2) * COLUMNS * conv->in;
    float *M = points + n * point_size(m, conv->in) + SPARE * conv->in;
    return (conv_scratch){memory, points, M, M + n * point_size(m, PANEL * NATIVE)};
}

/* Computes the convolution, activated, at m lines of `positions` positions from (row, col) on, into at.x. */
INLINE void convolve(int m, const lmf_picture *input, const lmf_linear *conv, int64_t image, int64_t row, int64_t col,
                     int positions, const float *bias, float slope, conv_scratch at)
{
    const int tiles = (positions + m - 1) / m;
    transform_columns(m, input, conv->in, image, row - 1, col - 1, m * tiles + 2, at.columns);
    transform_lines(m, at.columns, conv->in, tiles, at.points);
    for (int64_t o = 0, v; o < conv->out; o += v * NATIVE) {
        v = next_panel((conv->out - o) / NATIVE);
        for (int p = 0; p < (m + 2) * (m + 2); p++)
            product(v, at.points + p * point_size(m, conv->in), conv->in, tiles,
                    conv->weight + p * conv->in * conv->out + o, conv->in, conv->out, NULL, 1,
                    at.M + p * point_size(m, v * NATIVE), v * NATIVE);
        transform_back(m, at.M, tiles, v, bias + o, slope, at.x + o, conv->out);
    }
}
