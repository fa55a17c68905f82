/* A picture read bilinearly at the points of a grid: for `rendering/upsampling.py`.

   Between two of its rows what is needed of a line is interpolated, from which the pixels of a row of the output are. */

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

/* Pixels of a row from a line, behind which there is room to read 2 * LANES more */
static void along(const float *line, const between *cols, int32_t begin, int32_t end, float *out)
{
    int32_t i = begin;
#ifdef __AVX512F__
    /* Neighbours read neighbours: out of two registers, with nothing gathered from memory. */
    for (; i + LANES <= end && cols->high[i + LANES - 1] - cols->low[i] < 2 * LANES; i += LANES) {
        const int32_t first = cols->low[i];
        const vector here = load(line + first), next = load(line + first + LANES);
        const __m512i low = _mm512_loadu_si512(cols->low + i), high = _mm512_loadu_si512(cols->high + i);
        const __m512i from = _mm512_set1_epi32(first);
        const vector left = (vector)_mm512_permutex2var_ps((__m512)here, _mm512_sub_epi32(low, from), (__m512)next);
        const vector right = (vector)_mm512_permutex2var_ps((__m512)here, _mm512_sub_epi32(high, from), (__m512)next);
        store(out + i, left + load(cols->share_of_high + i) * (right - left));
    }
#endif
    for (; i < end; i++) {
        const float left = line[cols->low[i]];
        out[i] = left + cols->share_of_high[i] * (line[cols->high[i]] - left);
    }
}

/* 0, or 1 if there was no memory */
int lmf_upsample(const job *d)
{
    int failed = 0;
    arrays from = make_arrays(8, longest(&d->pixels));
    if (!from.memory) return 1;
    const between rows = find_between(&d->rows, &from), cols = find_between(&d->cols, &from);
    const places at = find_places(&d->pixels, &from);
#pragma omp parallel num_threads(d->threads) reduction(|| : failed)
    {
        float *line = malloc((d->cols.latents + 2 * LANES) * sizeof *line);
        failed = !line;
#pragma omp for collapse(3) schedule(static)
        for (int64_t image = 0; image < d->images; image++)
            for (int64_t plane = 0; plane < d->planes; plane++)
                for (int64_t row = 0; row < d->rows.pixels; row++) {
                    const float *picture = d->picture + image * d->picture_image_size + plane * d->picture_plane_size;
                    const float *above = picture + rows.low[row] * d->picture_line_size;
                    const float *below = picture + rows.high[row] * d->picture_line_size;
                    const float share = rows.share_of_high[row];
                    float *out = d->out + image * d->out_image_size + plane * d->out_plane_size + row * d->out_line_size;
                    if (!line) continue;
                    for (int64_t column = 0, begin, end; next_stretch(&d->pixels, &at, image, row, &column, &begin, &end);) {
                        if (begin == end) continue; /* of latents beyond the grid */
                        for (int32_t i = cols.low[begin]; i <= cols.high[end - 1]; i++)
                            line[i] = above[i] + share * (below[i] - above[i]);
                        along(line, &cols, begin, end, out);
                        finish(&d->written, out + begin, end - begin);
                    }
                }
        free(line);
    }
    free(from.memory);
    return failed;
}
