/* The whole render of an LMF state on a grid of pixels, in one pass: for `compiled.py`.

   A pixel is decoded by the latents around it, its *taps*: up to two rows of latents by up to two columns. For each tap

       y <- relu(gain_l * (W_l y) + offset_l)          l = 0 .. depth - 1,  gain and offset read from the tap's latent
       y_0 = rel,   or   coef * cos(pi [f, f - 1/2])  with  f_k = freq_2k rel_row + freq_2k+1 rel_col + phase_k

   and the pixel is W_L (sum over taps of weight * y) + bias, plus the LR image read bilinearly.

   The 16 channels of y are one vector. A layer multiplies each column of W, which stays in a register, by one element of
   y, broadcast from memory: 16 multiply-adds for a tap, and two more instructions for gain, offset and relu. GROUP taps
   are in flight at once, to cover the latency of a multiply-add. Nothing is gathered: a tap reads its modulations where
   they lie. A stretch of CHUNK pixels of an output row goes through all layers in the level-1 cache. */

#include "vectors.h"

enum { WIDTH = LANES, CHUNK = 32, MAX_TAPS = 2 * CHUNK };
#ifdef __AVX512F__
enum { GROUP = 8 }; /* 8 sums and 16 columns fill the registers, and two units need 4 multiply-adds each under way */
#else
enum { GROUP = 4 };
#endif

/* The taps of pixel i along an axis are first[i] .. first[i + 1] - 1: one or two. */
typedef struct {
    const int32_t *first, *latent;
    const float *rel, *weight;
} taps;

/* Where pixel i of an axis lies between two pixels of the LR image. */
typedef struct {
    const int32_t *low, *high;
    const float *share_of_high;
} between;

/* The pixels to render: along a row on line l of image b, stretches number first[b * lines + l] up to the next one's,
   each from begin up to end. */
typedef struct {
    const int32_t *line, *first, *begin, *end;
    int64_t lines;
} stretches;

typedef struct {
    /* the latents: lines of `latents_in_line`, each latent `latent_size` floats: gains, offsets, coef and freq */
    const float *latents;
    int64_t image_size, line_size, latent_size;
    /* the render MLP: matrices by columns; `first` has 2 columns (rel) or, with phases, 16; `last` has its bias as a 17th */
    const float *first, *hidden, *last;
    const float *phases; /* [phase, phase - 1/2] for each image; NULL where the input is rel */
    int64_t depth;
    /* the grid */
    taps rows, cols;
    stretches pixels;
    int64_t height;
    /* the LR image to add; NULL for none */
    const float *lr;
    int64_t lr_image_size, lr_channel_size, lr_line_size;
    between lr_rows, lr_cols;
    /* the output */
    float *out;
    int64_t out_image_size, out_channel_size, out_line_size;
    int64_t images, threads;
} job;

/* sums[i] = W y_i for GROUP inputs */
INLINE void multiply(vector sums[GROUP], const vector W[WIDTH], const float *y)
{
    UNROLL for (int i = 0; i < GROUP; i++) sums[i] = W[0] * y[WIDTH * i];
    UNROLL for (int j = 1; j < WIDTH; j++)
        UNROLL for (int i = 0; i < GROUP; i++) sums[i] += W[j] * y[WIDTH * i + j];
}

INLINE void load_columns(vector W[WIDTH], const float *columns)
{
    UNROLL for (int j = 0; j < WIDTH; j++) W[j] = load(columns + WIDTH * j);
}

/* One hidden layer, in place. n is a multiple of GROUP. */
INLINE void hidden_layer(float *y, const float *const *latents, int n, const float *columns, ptrdiff_t gain, ptrdiff_t offset)
{
    vector W[WIDTH];
    load_columns(W, columns);
    for (int t = 0; t < n; t += GROUP, y += WIDTH * GROUP, latents += GROUP) {
        vector sums[GROUP];
        multiply(sums, W, y);
        UNROLL for (int i = 0; i < GROUP; i++)
            store(y + WIDTH * i, relu(sums[i] * load(latents[i] + gain) + load(latents[i] + offset)));
    }
}

/* The first layer where the input is rel: all but the column's share is the same along a line of latents. */
INLINE void first_layer(float *y, const float *const *latents, int n, vector of_row, vector col, const float *rel_col, ptrdiff_t offset)
{
    UNROLL for (int t = 0; t < n; t++)
        store(y + WIDTH * t, relu((of_row + col * rel_col[t]) * load(latents[t]) + load(latents[t] + offset)));
}

/* Every second element, from the first or the second on, twice over. */
#ifdef __clang__
#define SECONDS(v, o) __builtin_shufflevector(v, v, o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14, o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14)
#else
#define SECONDS(v, o) __builtin_shuffle(v, (mask){o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14, o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14})
#endif

/* The input where it is waves: coef (16) and freq (8 pairs), seen from (rel_row, rel_col). */
INLINE vector waves(const float *coef, float rel_row, float rel_col, vector phases)
{
    vector freq = load(coef + WIDTH);
    return load(coef) * cos_pi(SECONDS(freq, 0) * rel_row + (SECONDS(freq, 1) * rel_col + phases));
}

static void render_chunk(const job *d, int64_t image, int64_t row, int64_t left, int pixels)
{
    const float *latents[MAX_TAPS];
    float y[MAX_TAPS * WIDTH] __attribute__((aligned(64)));
    float sum[CHUNK * WIDTH] __attribute__((aligned(64))) = {0};
    const ptrdiff_t modulations = WIDTH * d->depth;
    const int32_t *first = d->cols.first + left;
    const int begin = first[0], n = first[pixels] - begin, padded = (n + GROUP - 1) / GROUP * GROUP;
    const int32_t *latent = d->cols.latent + begin;
    const float *rel_col = d->cols.rel + begin, *weight = d->cols.weight + begin;

    for (int tap = d->rows.first[row]; tap < d->rows.first[row + 1]; tap++) {
        const float *line = d->latents + image * d->image_size + d->rows.latent[tap] * d->line_size;
        const float rel_row = d->rows.rel[tap], row_weight = d->rows.weight[tap];
        int64_t layer = 0;
        for (int t = 0; t < n; t++) latents[t] = line + latent[t] * d->latent_size;
        for (int t = n; t < padded; t++) {
            latents[t] = line;
            store(y + WIDTH * t, (vector){});
        }
        if (d->phases) {
            const vector phases = load(d->phases + image * WIDTH);
            for (int t = 0; t < n; t++)
                store(y + WIDTH * t, waves(latents[t] + 2 * modulations, rel_row, rel_col[t], phases));
            hidden_layer(y, latents, padded, d->first, 0, modulations);
        } else {
            first_layer(y, latents, n, load(d->first) * rel_row, load(d->first + WIDTH), rel_col, modulations);
        }
        while (++layer < d->depth)
            hidden_layer(y, latents, padded, d->hidden + (layer - 1) * WIDTH * WIDTH, layer * WIDTH, modulations + layer * WIDTH);
        for (int p = 0; p < pixels; p++) {
            vector of_line = {};
            for (int t = first[p] - begin; t < first[p + 1] - begin; t++) of_line += load(y + WIDTH * t) * weight[t];
            store(sum + WIDTH * p, load(sum + WIDTH * p) + of_line * row_weight);
        }
    }

    float *out = d->out + image * d->out_image_size + row * d->out_line_size + left;
    vector W[WIDTH], bias = load(d->last + WIDTH * WIDTH);
    load_columns(W, d->last);
    for (int p = 0; p < pixels; p += GROUP) {
        vector rgb[GROUP];
        multiply(rgb, W, sum + WIDTH * p);
        for (int i = 0; i < GROUP && p + i < pixels; i++) {
            vector v = rgb[i] + bias;
            for (int k = 0; k < 3; k++) out[k * d->out_channel_size + p + i] = v[k];
        }
    }
    if (d->lr) {
        const float *lr = d->lr + image * d->lr_image_size, share = d->lr_rows.share_of_high[row];
        const int32_t *low = d->lr_cols.low + left, *high = d->lr_cols.high + left;
        for (int k = 0; k < 3; k++, lr += d->lr_channel_size, out += d->out_channel_size) {
            const float *above = lr + d->lr_rows.low[row] * d->lr_line_size;
            const float *below = lr + d->lr_rows.high[row] * d->lr_line_size;
            for (int p = 0; p < pixels; p++) {
                float l = above[low[p]] + share * (below[low[p]] - above[low[p]]);
                float h = above[high[p]] + share * (below[high[p]] - above[high[p]]);
                out[p] += l + d->lr_cols.share_of_high[left + p] * (h - l);
            }
        }
    }
}

void lmf_render(const job *d)
{
#pragma omp parallel for collapse(2) schedule(dynamic, 4) num_threads(d->threads)
    for (int64_t image = 0; image < d->images; image++)
        for (int64_t row = 0; row < d->height; row++) {
            const int32_t *first = d->pixels.first + image * d->pixels.lines + d->pixels.line[row];
            for (int32_t i = first[0]; i < first[1]; i++)
                for (int32_t left = d->pixels.begin[i], end = d->pixels.end[i]; left < end; left += CHUNK)
                    render_chunk(d, image, row, left, end - left < CHUNK ? end - left : CHUNK);
        }
}
