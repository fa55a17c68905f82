/* A picture read bilinearly at the points of a grid: for `rendering/upsampling.py`.

   Each pixel is made in one pass from the four pixels of the picture around it. */

#include "grid.h"
#include "vectors.h"

typedef struct {
    const float *picture;
    int64_t picture_image_size, picture_plane_size, picture_line_size;
    axis rows, cols; /* of the grid, over the pixels of the picture */
    chosen pixels;   /* of the grid, which to make */
    float *out;
    int64_t out_image_size, out_plane_size, out_line_size;
    values written;
    int64_t images, planes, threads;
} job;

/* Pixels of a row, from the lines above and below it, of which the latter has the share `share` */
static void along(
    const float *restrict above, const float *restrict below, float share, const between *cols, int32_t begin, int32_t end,
    const values *written, float *restrict out)
{
    for (int32_t i = begin, after; i < end; i = after) {
        after = i + LANES < end ? i + LANES : end;
        const int32_t first = cols->low[i], count = cols->high[after - 1] + 1 - first;
        if (count > 2 * LANES) { /* far smaller than the picture */
            for (int32_t j = i; j < after; j++) {
                const int32_t low = cols->low[j], high = cols->high[j];
                const float left = above[low] + share * (below[low] - above[low]);
                const float right = above[high] + share * (below[high] - above[high]);
                out[j] = left + cols->share_of_high[j] * (right - left);
            }
            continue;
        }
        /* Neighbours read neighbours: few columns, each interpolated once. */
#ifdef __AVX512F__
        /* In two registers; masked, so as not to read past a line or write past the stretch. */
        const uint32_t read = ~0u >> (2 * LANES - count);
        __m512 line[2];
        for (int k = 0; k < 2; k++) {
            const vector a = (vector)_mm512_maskz_loadu_ps(read >> k * LANES, above + first + k * LANES);
            const vector b = (vector)_mm512_maskz_loadu_ps(read >> k * LANES, below + first + k * LANES);
            line[k] = (__m512)(a + share * (b - a));
        }
        const __mmask16 made = 0xffff >> (i + LANES - after);
        const __m512i from = _mm512_set1_epi32(first);
        const __m512i low = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(made, cols->low + i), from);
        const __m512i high = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(made, cols->high + i), from);
        const vector left = (vector)_mm512_permutex2var_ps(line[0], low, line[1]);
        const vector right = (vector)_mm512_permutex2var_ps(line[0], high, line[1]);
        const vector pixels = left + (vector)_mm512_maskz_loadu_ps(made, cols->share_of_high + i) * (right - left);
        _mm512_mask_storeu_ps(out + i, made, (__m512)pixels);
#else
        float line[2 * LANES];
        for (int32_t j = 0; j < count; j++) line[j] = above[first + j] + share * (below[first + j] - above[first + j]);
        for (int32_t j = i; j < after; j++) {
            const float left = line[cols->low[j] - first];
            out[j] = left + cols->share_of_high[j] * (line[cols->high[j] - first] - left);
        }
#endif
    }
    finish(written, out + begin, end - begin);
}

/* 0, or 1 if there was no memory */
int lmf_upsample(const job *d)
{
    arrays from = make_arrays(8, longest(&d->pixels));
    if (!from.memory) return 1;
    const between rows = find_between(&d->rows, &from), cols = find_between(&d->cols, &from);
    const places at = find_places(&d->pixels, &from);
#pragma omp parallel for collapse(2) schedule(static) num_threads(d->threads)
    for (int64_t image = 0; image < d->images; image++)
        for (int64_t row = 0; row < d->rows.pixels; row++) {
            const float *picture = d->picture + image * d->picture_image_size;
            float *out = d->out + image * d->out_image_size + row * d->out_line_size;
            for (int64_t column = 0, begin, end; next_stretch(&d->pixels, &at, image, row, &column, &begin, &end);)
                for (int64_t plane = 0; plane < d->planes; plane++) {
                    const float *of_plane = picture + plane * d->picture_plane_size;
                    along(
                        of_plane + rows.low[row] * d->picture_line_size, of_plane + rows.high[row] * d->picture_line_size,
                        rows.share_of_high[row], &cols, begin, end, &d->written, out + plane * d->out_plane_size);
                }
        }
    free(from.memory);
    return 0;
}
