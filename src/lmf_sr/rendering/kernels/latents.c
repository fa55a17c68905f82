/* The latents of LM-LIIF and LM-LTE: from features to rows of modulations, in one pass over the LR image.

       x    = conv3x3(F) + bias                   LM-LIIF: x <- relu(x)
                                                  LM-LTE:  x = [coef, g] <- coef * cos(pi [g, g - 1/2])
       row  = layers of x                         linear, with relu between them; [gain, offset, known or code]
       intensity = mean |offset - gain * bias|    where it is asked for: offset is gain * bias + shift
       offset_0 <- offset_0 + gain_0 * known      where the render MLP's first layer is linear in the code

   The convolution is Winograd's F(2x2, 3x3) (Lavin & Gray, CVPR 2016): 16 products where the definition has 36,

       Y = A^T [ (G g G^T) . (B^T d B) ] A        d: 4x4 features, Y: 2x2 outputs, a tile

   with sums and differences only around the products, so that it is as exact as the definition in practice. A task is a
   stretch of TILES tiles, two lines of up to 2 * TILES positions; it goes through all stages in the level-2 cache. */

#include "vectors.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { TILES = 32, POSITIONS = 2 * TILES, PATCH = POSITIONS + 2, POINTS = 16, MAX_LAYERS = 2 };
/* A product keeps GROUP lines by PANEL vectors of sums in registers. */
#ifdef __AVX512F__
enum { GROUP = 8, PANEL = 3 };
#else
enum { GROUP = 6, PANEL = 1 };
#endif

/* Sizes are in floats, multiples of 16; a weight has a line of `out` for each input, a bias one for each image. */
typedef struct {
    const float *weight, *bias;
    int64_t in, out;
} linear;

typedef struct {
    const float *features; /* in any layout; beyond them they are zero */
    int64_t image_size, channel_size, line_size, position_size;
    int64_t features_height, features_width;
    int64_t top, left, height, width; /* the window to make rows for */
    linear convolution; /* weight: (16, in, out), transformed */
    int64_t waves;      /* number of coef; 0 for relu */
    int64_t depth;      /* of layers */
    linear layers[MAX_LAYERS];
    int64_t modulations, known; /* the offsets' place in a row; whether to add gain_0 * known */
    float *out;
    int64_t out_image_size, out_line_size, latent_size;
    const float *bias; /* of the render MLP's hidden layers */
    float *intensity;  /* one for each row; NULL for none */
    int64_t images, threads;
} job;

/* c = bias + a b, or its relu: `lines` lines of a by one panel of b, v vectors wide. */
INLINE void panel_product(int v, const float *a, int64_t a_line, int lines, const float *b, int64_t in, int64_t b_line,
                          const float *bias, int with_relu, float *c, int64_t c_line)
{
    for (int t = 0; t < lines; t += GROUP, a += GROUP * a_line, c += GROUP * c_line) {
        vector sums[GROUP][PANEL];
        UNROLL for (int i = 0; i < GROUP; i++)
            UNROLL for (int k = 0; k < v; k++) sums[i][k] = bias ? load(bias + LANES * k) : (vector){};
        const float *b_j = b;
        for (int64_t j = 0; j < in; j++, b_j += b_line) {
            vector w[PANEL];
            UNROLL for (int k = 0; k < v; k++) w[k] = load(b_j + LANES * k);
            UNROLL for (int i = 0; i < GROUP; i++)
                UNROLL for (int k = 0; k < v; k++) sums[i][k] += w[k] * a[i * a_line + j];
        }
        UNROLL for (int i = 0; i < GROUP; i++)
            if (t + i < lines)
                UNROLL for (int k = 0; k < v; k++) store(c + i * c_line + LANES * k, with_relu ? relu(sums[i][k]) : sums[i][k]);
    }
}

#define PRODUCT(v)                                                                                                             \
    static __attribute__((noinline)) void product_##v(const float *a, int64_t a_line, int lines, const float *b, int64_t in,  \
                                                      int64_t b_line, const float *bias, int with_relu, float *c,             \
                                                      int64_t c_line)                                                         \
    {                                                                                                                          \
        panel_product(v, a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);                                         \
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

/* As panel_product, for any of the widths of next_panel. `a` is read up to a multiple of GROUP lines. */
INLINE void product(int v, const float *a, int64_t a_line, int lines, const float *b, int64_t in, int64_t b_line,
                    const float *bias, int with_relu, float *c, int64_t c_line)
{
#ifdef __AVX512F__
    if (v == 3) product_3(a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);
    if (v == 2) product_2(a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);
#endif
    if (v == 1) product_1(a, a_line, lines, b, in, b_line, bias, with_relu, c, c_line);
}

/* patch[i][j][channel]: the features of 4 lines by `cols` positions from (row, col) on */
static void fetch(const job *d, int64_t image, int64_t row, int64_t col, int cols, float *patch)
{
    const int64_t channels = d->convolution.in, step = d->position_size;
    for (int64_t i = row; i < row + 4; i++, patch += PATCH * channels) {
        const int inside = 0 <= i && i < d->features_height;
        const int64_t begin = !inside ? cols : col < 0 ? -col : 0;
        const int64_t end = d->features_width - col < cols ? d->features_width - col : cols;
        memset(patch, 0, sizeof(float) * channels * begin);
        if (!inside) continue;
        if (end < cols) memset(patch + end * channels, 0, sizeof(float) * channels * (cols - end));
        const float *x = d->features + image * d->image_size + i * d->line_size + col * step;
        for (int64_t c = 0; c < channels; c += LANES, x += LANES * d->channel_size)
            for (int64_t j = begin; j < end; j++) {
                float of_position[LANES];
                UNROLL for (int k = 0; k < LANES; k++) of_position[k] = x[k * d->channel_size + j * step];
                store(patch + j * channels + c, d->channel_size == 1 ? load(x + j * step) : load(of_position));
            }
    }
}

/* transformed[point][tile][channel] = B^T d B of each tile's features d */
static void transform(const float *patch, int64_t channels, int tiles, float *transformed)
{
    for (int t = 0; t < tiles; t++)
        for (int64_t c = 0; c < channels; c += LANES) {
            vector d[4][4];
            UNROLL for (int i = 0; i < 4; i++) {
                const float *x = patch + (i * PATCH + 2 * t) * channels + c;
                vector x0 = load(x), x1 = load(x + channels), x2 = load(x + 2 * channels), x3 = load(x + 3 * channels);
                d[i][0] = x0 - x2, d[i][1] = x1 + x2, d[i][2] = x2 - x1, d[i][3] = x1 - x3;
            }
            float *v = transformed + t * channels + c;
            const int64_t point = TILES * channels;
            UNROLL for (int j = 0; j < 4; j++) {
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
            UNROLL for (int j = 0; j < 4; j++) {
                vector m0 = load(m + j * point), m1 = load(m + (4 + j) * point);
                vector m2 = load(m + (8 + j) * point), m3 = load(m + (12 + j) * point);
                above[j] = m0 + m1 + m2, below[j] = m1 - m2 - m3;
            }
            UNROLL for (int i = 0; i < 2; i++) {
                const vector *y = i ? below : above;
                vector first = y[0] + y[1] + y[2] + b, second = y[1] - y[2] - y[3] + b;
                float *o = out + (i * POSITIONS + 2 * t) * size + LANES * k;
                store(o, with_relu ? relu(first) : first);
                store(o + size, with_relu ? relu(second) : second);
            }
        }
}

/* x = [coef, g] <- coef * cos(pi [g, g - 1/2]) */
INLINE void make_waves(float *x, int64_t waves)
{
    for (int64_t k = 0; k < waves / 2; k += LANES) {
        vector g = load(x + waves + k);
        store(x + k, load(x + k) * cos_pi(g));
        store(x + waves / 2 + k, load(x + waves / 2 + k) * cos_pi(g - 0.5f));
    }
}

/* mean |offset - gain * bias| of a row */
INLINE float intensity_of(const float *row, int64_t modulations, const float *bias)
{
    vector sums = {};
    float sum = 0;
    for (int64_t k = 0; k < modulations; k += LANES) {
        vector shift = load(row + modulations + k) - load(row + k) * load(bias + k);
        sums += (vector)((mask)shift & 0x7fffffff);
    }
    for (int k = 0; k < LANES; k++) sum += sums[k];
    return sum / modulations;
}

/* Where a task keeps what its stages hand on. */
typedef struct {
    float *patch, *transformed, *M, *x, *y;
} scratch;

/* One task: two lines of positions, from (2 * pair, left) of the window on. */
static void latents_of_stretch(const job *d, int64_t image, int64_t pair, int64_t left, scratch at)
{
    const int positions = d->width - left < POSITIONS ? (int)(d->width - left) : POSITIONS, tiles = (positions + 1) / 2;
    const linear *conv = &d->convolution;
    float *x = at.x, *y = at.y;
    fetch(d, image, d->top + 2 * pair - 1, d->left + left - 1, 2 * tiles + 2, at.patch);
    transform(at.patch, conv->in, tiles, at.transformed);
    for (int64_t o = 0, v; o < conv->out; o += v * LANES) {
        v = next_panel((conv->out - o) / LANES);
        for (int p = 0; p < POINTS; p++)
            product(v, at.transformed + p * TILES * conv->in, conv->in, tiles, conv->weight + p * conv->in * conv->out + o,
                    conv->in, conv->out, NULL, 0, at.M + p * TILES * v * LANES, v * LANES);
        transform_back(at.M, tiles, v, conv->bias + image * conv->out + o, !d->waves, x + o, conv->out);
    }
    for (int i = 0; i < 2 && 2 * pair + i < d->height; i++) {
        float *out = d->out + image * d->out_image_size + (2 * pair + i) * d->out_line_size + left * d->latent_size;
        const float *input = x + i * POSITIONS * conv->out;
        int64_t input_size = conv->out;
        if (d->waves)
            for (int p = 0; p < positions; p++) make_waves(x + (i * POSITIONS + p) * conv->out, d->waves);
        for (int64_t l = 0; l < d->depth; l++) {
            const linear *layer = d->layers + l;
            const int is_last = l == d->depth - 1;
            float *output = is_last ? out : y;
            const int64_t output_size = is_last ? d->latent_size : layer->out;
            for (int64_t o = 0, v; o < layer->out; o += v * LANES) {
                v = next_panel((layer->out - o) / LANES);
                product(v, input, input_size, positions, layer->weight + o, layer->in, layer->out,
                        layer->bias + image * layer->out + o, !is_last, output + o, output_size);
            }
            input = output, input_size = output_size;
        }
        if (d->intensity) {
            float *intensity = d->intensity + (image * d->height + 2 * pair + i) * d->width + left;
            for (int p = 0; p < positions; p++)
                intensity[p] = intensity_of(out + p * d->latent_size, d->modulations, d->bias);
        }
        if (d->known)
            for (int p = 0; p < positions; p++, out += d->latent_size)
                store(out + d->modulations, load(out + d->modulations) + load(out) * load(out + 2 * d->modulations));
    }
}

/* 0, or -1 if there was no memory */
int lmf_latents(const job *d)
{
    const int64_t pairs = (d->height + 1) / 2, stretches = (d->width + POSITIONS - 1) / POSITIONS;
    const int64_t spare = GROUP - 1; /* lines that a product reads beyond the last, and makes nothing of */
    const int64_t patch = 4 * PATCH * d->convolution.in, transformed = (POINTS * TILES + spare) * d->convolution.in;
    const int64_t M = POINTS * TILES * PANEL * LANES, x = (2 * POSITIONS + spare) * d->convolution.out;
    const int64_t y = (POSITIONS + spare) * d->layers[0].out, all = patch + transformed + M + x + y;
    float *memory = aligned_alloc(64, sizeof(float) * all * d->threads);
    if (!memory) return -1;
#pragma omp parallel num_threads(d->threads)
    {
        float *own = memory + all * omp_get_thread_num();
        scratch at = {own, own + patch, own + patch + transformed, own + all - y - x, own + all - y};
#pragma omp for collapse(3) schedule(dynamic)
        for (int64_t image = 0; image < d->images; image++)
            for (int64_t pair = 0; pair < pairs; pair++)
                for (int64_t stretch = 0; stretch < stretches; stretch++)
                    latents_of_stretch(d, image, pair, stretch * POSITIONS, at);
    }
    free(memory);
    return 0;
}
