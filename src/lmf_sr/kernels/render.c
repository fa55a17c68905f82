/* Renders an LMF state on a grid of pixels in one pass, for `rendering/cpu.py`.

   A pixel is decoded by the latents around it, its *taps*, up to two rows of latents by up to two columns. For each tap

       y <- relu(gain_l * (W_l y) + offset_l)          l = 0 .. depth - 1,  gain and offset read from the tap's latent
       y_0 = rel,   or   coef * cos(pi [f, f - 1/2])  with  f_k = freq_2k rel_row + freq_2k+1 rel_col + phase_k

   and the pixel is W_L (sum over taps of weight * y) + bias, plus the LR image read bilinearly.

   The 16 channels of y are one vector of AVX-512, two of AVX2. A layer multiplies each column of W by one element of y,
   broadcast from memory. It takes 16 multiply-adds for a tap and vector, and two more instructions for gain, offset and
   relu. Nothing is gathered, because a tap reads its modulations where they lie.

   But relu leaves most elements zero, and mostly the same ones in neighbouring pixels, which share latents. In trained
   networks a quarter to a half of the elements are *active* in any of MANY_TAPS neighbours. The columns of the others
   are skipped, which changes nothing. MANY_TAPS taps are in flight at once, to cover the latency of a multiply-add.

   A stretch of CHUNK pixels of an output row goes through all layers in the level-1 cache; first its taps on the lower
   columns of latents, then those on the higher ones, so that the taps of a group are alike. */

#include <string.h>

#include "grid.h"
#include "vectors.h"

enum { WIDTH = LANES, CHUNK = 64, ALL = (1 << WIDTH) - 1 };
#ifdef __AVX512F__
enum { MANY_TAPS = 16, FEW_TAPS = 8 }; /* vectors of sums kept in registers */
#else
enum { MANY_TAPS = 4, FEW_TAPS = 4 };
#endif

/* Weights of latents that are not read. A pixel centred on a latent reads no other. */
#define NEGLIGIBLE 1e-9

/* The taps of an axis on one side. Pixel i has one or none: those from first[i] up to first[i + 1]. */
typedef struct {
    int32_t *first, *pixel, *latent;
    float *rel, *weight;
} taps;

/* The geometry that follows from the grid. */
typedef struct {
    taps rows[2], cols[2]; /* on the lower side, and on the higher */
    between lr_rows, lr_cols;
    places chosen;
} grid_geometry;

static void find_taps(const lmf_axis *a, taps sides[2], arrays *from)
{
    const int64_t n = a->latents;
    int count[2] = {0, 0};
    for (int s = 0; s < 2; s++) sides[s] = (taps){take(from), take(from), take(from), take(from), take(from)};
    for (int64_t i = 0; i < a->pixels; i++) {
        const double low = floor(position(a, i) + a->tie), latent[2] = {clamp(low, n), clamp(low + 1, n)};
        double rel[2];
        for (int s = 0; s < 2; s++) rel[s] = (a->at[i] - (latent[s] * (2.0 / n) + (1.0 / n - 1))) * n;
        const double all = fabs(rel[0]) + fabs(rel[1]);
        double weight[2] = {fabs(rel[1]) / all, fabs(rel[0]) / all};
        if (latent[0] == latent[1]) weight[0] = 1, weight[1] = 0;
        for (int s = 0; s < 2; s++) {
            sides[s].first[i] = count[s];
            if (weight[s] <= NEGLIGIBLE) continue;
            const int t = count[s]++;
            sides[s].pixel[t] = i;
            sides[s].latent[t] = latent[s] - a->first;
            sides[s].rel[t] = rel[s];
            sides[s].weight[t] = weight[s];
        }
    }
    for (int s = 0; s < 2; s++) sides[s].first[a->pixels] = count[s];
}

/* The bits of the elements, of 16, that are not zero. */
INLINE unsigned active(const vector any[PARTS])
{
    unsigned bits = 0;
    EACH(h, PARTS) {
#if defined __AVX512F__
        bits |= _mm512_test_epi32_mask((__m512i)any[h], (__m512i)any[h]);
#elif defined __AVX__
        bits |= (unsigned)_mm256_movemask_ps((__m256)((mask)any[h] != 0)) << NATIVE * h;
#else
        for (int j = 0; j < NATIVE; j++) bits |= (unsigned)(any[h][j] != 0) << (NATIVE * h + j);
#endif
    }
    return bits;
}

INLINE vector either(vector a, vector b) { return (vector)((mask)a | (mask)b); }

/* Computes the first `parts` vectors of sums[i] = W y_i for n inputs, whose elements are zero unless in `bits`. */
INLINE void multiply(int n, int parts, vector sums[MANY_TAPS][PARTS], const float *columns, const float *y,
                     unsigned bits)
{
    EACH(i, n)
        EACH(h, parts) sums[i][h] = (vector){};
    for (; bits; bits &= bits - 1) {
        const int j = __builtin_ctz(bits);
        vector column[PARTS];
        EACH(h, parts) column[h] = load(columns + WIDTH * j + NATIVE * h);
        const float *y_j = y + j;
        __asm__("" : "+r"(y_j)); /* one register for the address: with two, x86 takes two steps for a multiply-add */
        EACH(i, n)
            EACH(h, parts) sums[i][h] += column[h] * y_j[WIDTH * i];
    }
}

/* Computes a hidden layer for n taps, in place, and returns the elements that are active then. */
INLINE unsigned hidden(int n, float *y, const float *const *latents, const float *columns, unsigned bits,
                       ptrdiff_t gain, ptrdiff_t offset)
{
    vector sums[MANY_TAPS][PARTS], any[PARTS] = {};
    multiply(n, PARTS, sums, columns, y, bits);
    EACH(i, n)
        EACH(h, PARTS) {
            const float *latent = latents[i] + NATIVE * h;
            vector x = relu(sums[i][h] * load(latent + gain) + load(latent + offset));
            store(y + WIDTH * i + NATIVE * h, x);
            any[h] = either(any[h], x);
        }
    return active(any);
}

/* Computes a hidden layer for any multiple of FEW_TAPS taps; `bits` holds the active elements of each FEW_TAPS. */
INLINE void hidden_layer(float *y, const float *const *latents, int n, const float *columns, unsigned *bits,
                         ptrdiff_t gain, ptrdiff_t offset)
{
    int t = 0;
    for (; t + MANY_TAPS <= n; t += MANY_TAPS) {
        unsigned *b = bits + t / FEW_TAPS;
        b[0] = hidden(MANY_TAPS, y + WIDTH * t, latents + t, columns, b[0] | b[MANY_TAPS / FEW_TAPS - 1], gain, offset);
        b[MANY_TAPS / FEW_TAPS - 1] = b[0];
    }
    for (; t < n; t += FEW_TAPS) {
        unsigned *b = bits + t / FEW_TAPS;
        *b = hidden(FEW_TAPS, y + WIDTH * t, latents + t, columns, *b, gain, offset);
    }
}

/* Computes the first layer where the input is rel. All but the column's share is the same along a line of latents.
   `columns` has two columns; `shift` is added to the product, unless it is NULL. */
INLINE void first_layer(float *y, const float *const *latents, int n, const float *columns, float rel_row,
                        const float *shift, const float *rel_col, unsigned *bits, ptrdiff_t offset)
{
    vector row[PARTS], col[PARTS];
    EACH(h, PARTS) {
        row[h] = load(columns + NATIVE * h) * rel_row + (shift ? load(shift + NATIVE * h) : (vector){});
        col[h] = load(columns + WIDTH + NATIVE * h);
    }
    for (int t = 0; t < n; t += FEW_TAPS) {
        vector any[PARTS] = {};
        EACH(k, FEW_TAPS) {
            const int i = t + k;
            EACH(h, PARTS) {
                const float *latent = latents[i] + NATIVE * h;
                vector x = relu((row[h] + col[h] * rel_col[i]) * load(latent) + load(latent + offset));
                store(y + WIDTH * i + NATIVE * h, x);
                any[h] = either(any[h], x);
            }
        }
        bits[t / FEW_TAPS] = active(any);
    }
}

/* SECONDS takes every second element of two vectors, from element `o` on, 0 or 1. */
#if NATIVE == 16
#define SECOND(o)                                                                                                  \
    o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14, o + 16, o + 18, o + 20, o + 22, o + 24, o + 26, o + 28, \
        o + 30
#elif NATIVE == 8
#define SECOND(o) o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14
#else
#define SECOND(o) o, o + 2, o + 4, o + 6
#endif
#ifdef __clang__
#define SECONDS(a, b, o) __builtin_shufflevector(a, b, SECOND(o))
#else
#define SECONDS(a, b, o) __builtin_shuffle(a, b, (mask){SECOND(o)})
#endif

/* Computes the input where it is waves, coef (16) and freq (8 pairs, for both halves of coef), seen at (rel_row,
   rel_col). */
INLINE void store_waves(float *y, const float *coef, float rel_row, float rel_col, const float *phases)
{
    EACH(h, PARTS) {
        const float *freq = coef + WIDTH + 2 * (NATIVE * h % (WIDTH / 2));
        const vector a = load(freq), b = NATIVE == WIDTH ? a : load(freq + NATIVE);
        const vector phase = SECONDS(a, b, 0) * rel_row + (SECONDS(a, b, 1) * rel_col + load(phases + NATIVE * h));
        store(y + NATIVE * h, load(coef + NATIVE * h) * cos_pi(phase));
    }
}

/* Adds to `sum` the last hidden layer of the taps of some pixels on one row of latents, weighted. */
static void add_taps(const lmf_render_job *d, const grid_geometry *g, const float *line, float rel_row,
                     float row_weight, int64_t left, int pixels, const float *phases, const float *shift, float *sum)
{
    const ptrdiff_t modulations = WIDTH * d->depth;
    const float *latents[2 * CHUNK];
    float y[2 * CHUNK * WIDTH] __attribute__((aligned(64)));
    float rel_col[2 * CHUNK], weight[2 * CHUNK], *of_pixel[2 * CHUNK];
    unsigned bits[2 * CHUNK / FEW_TAPS];
    int n = 0;
    for (const taps *cols = g->cols; cols < g->cols + 2; cols++)
        for (int i = cols->first[left]; i < cols->first[left + pixels]; i++, n++) {
            latents[n] = line + cols->latent[i] * d->latent_size;
            rel_col[n] = cols->rel[i];
            weight[n] = cols->weight[i] * row_weight;
            of_pixel[n] = sum + WIDTH * (cols->pixel[i] - left);
        }
    const int padded = (n + FEW_TAPS - 1) / FEW_TAPS * FEW_TAPS;
    for (int t = n; t < padded; t++) latents[t] = latents[n - 1], rel_col[t] = rel_col[n - 1];

    int64_t layer = 0;
    if (phases) {
        for (int t = 0; t < padded; t++)
            store_waves(y + WIDTH * t, latents[t] + 2 * modulations, rel_row, rel_col[t], phases);
        for (int t = 0; t < padded; t += FEW_TAPS) bits[t / FEW_TAPS] = ALL;
        hidden_layer(y, latents, padded, d->first, bits, 0, modulations);
    } else {
        first_layer(y, latents, padded, d->first, rel_row, shift, rel_col, bits, modulations);
    }
    while (++layer < d->depth)
        hidden_layer(y, latents, padded, d->hidden + (layer - 1) * WIDTH * WIDTH, bits, layer * WIDTH,
                     modulations + layer * WIDTH);
    for (int t = 0; t < n; t++)
        for (int j = 0; j < WIDTH; j += NATIVE)
            store(of_pixel[t] + j, load(of_pixel[t] + j) + load(y + WIDTH * t + j) * weight[t]);
}

static void render_chunk(const lmf_render_job *d, const grid_geometry *g, int64_t image, int64_t row, int64_t left,
                         int pixels)
{
    float sum[CHUNK * WIDTH] __attribute__((aligned(64)));
    memset(sum, 0, (pixels + FEW_TAPS - 1) / FEW_TAPS * FEW_TAPS * WIDTH * sizeof *sum);
    const float *shift = d->shift ? d->shift + image * WIDTH : NULL;
    for (const taps *rows = g->rows; rows < g->rows + 2; rows++)
        for (int r = rows->first[row]; r < rows->first[row + 1]; r++)
            add_taps(d, g, d->latents + image * d->image_size + rows->latent[r] * d->line_size, rows->rel[r],
                     rows->weight[r], left, pixels, d->phases ? d->phases + image * WIDTH : NULL, shift, sum);

    float *out = d->out + image * d->out_image_size + row * d->out_line_size + left;
    const vector bias = load(d->last + WIDTH * WIDTH);
    for (int p = 0; p < pixels; p += FEW_TAPS) {
        vector rgb[MANY_TAPS][PARTS], any[PARTS] = {};
        EACH(i, FEW_TAPS)
            EACH(h, PARTS) any[h] = either(any[h], load(sum + WIDTH * (p + i) + NATIVE * h));
        multiply(FEW_TAPS, 1, rgb, d->last, sum + WIDTH * p, active(any));
        for (int i = 0; i < FEW_TAPS && p + i < pixels; i++) {
            vector v = rgb[i][0] + bias;
            for (int k = 0; k < 3; k++) out[k * d->out_channel_size + p + i] = v[k];
        }
    }
    if (d->lr) {
        const float *lr = d->lr + image * d->lr_image_size, share = g->lr_rows.share_of_high[row];
        const int32_t *low = g->lr_cols.low + left, *high = g->lr_cols.high + left;
        for (int k = 0; k < 3; k++, lr += d->lr_channel_size) {
            const float *above = lr + g->lr_rows.low[row] * d->lr_line_size;
            const float *below = lr + g->lr_rows.high[row] * d->lr_line_size;
            for (int p = 0; p < pixels; p++) {
                float l = above[low[p]] + share * (below[low[p]] - above[low[p]]);
                float h = above[high[p]] + share * (below[high[p]] - above[high[p]]);
                out[k * d->out_channel_size + p] += l + g->lr_cols.share_of_high[left + p] * (h - l);
            }
        }
    }
    for (int k = 0; k < 3; k++) finish(&d->written, out + k * d->out_channel_size, pixels);
}

int lmf_render(const lmf_render_job *d)
{
    arrays from = make_arrays(28, longest(&d->pixels));
    if (!from.memory) return LMF_NO_MEMORY;
    grid_geometry g;
    find_taps(&d->pixels.rows, g.rows, &from);
    find_taps(&d->pixels.cols, g.cols, &from);
    g.lr_rows = find_between(&d->pixels.rows, &from), g.lr_cols = find_between(&d->pixels.cols, &from);
    g.chosen = find_places(&d->pixels, &from);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(d->threads)
    for (int64_t image = 0; image < d->images; image++)
        for (int64_t row = 0; row < d->pixels.rows.pixels; row++)
            for (int64_t column = 0, left, end; next_stretch(&d->pixels, &g.chosen, image, row, &column, &left, &end);)
                for (; left < end; left += CHUNK)
                    render_chunk(d, &g, image, row, left, end - left < CHUNK ? end - left : CHUNK);
    free(from.memory);
    return LMF_DONE;
}
