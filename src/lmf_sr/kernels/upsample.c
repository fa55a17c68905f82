/* Reads a picture bilinearly at the points of a grid, for `rendering/upsampling.py`.

   Each pixel is made in one pass from the four pixels of the picture around it. */

#include "grid.h"
#include "vectors.h"

/* Makes pixels of a row in one plane from the lines above and below it; the line below has the weight `share`. */
static void in_one_plane(const float *restrict above, const float *restrict below, float share, const between *cols,
                         int32_t begin, int32_t end, const lmf_values *written, float *restrict out)
{
    for (int32_t i = begin, after; i < end; i = after) {
        after = i + LANES < end ? i + LANES : end;
        const int32_t first = cols->low[i], count = cols->high[after - 1] + 1 - first;
        float line[2 * LANES];
        if (count <= 2 * LANES) /* neighbours read the same few columns, so each is interpolated once */
            for (int32_t j = 0; j < count; j++)
                line[j] = above[first + j] + share * (below[first + j] - above[first + j]);
        for (int32_t j = i; j < after; j++) {
            const int32_t low = cols->low[j], high = cols->high[j];
            float left, right;
            if (count <= 2 * LANES)
                left = line[low - first], right = line[high - first];
            else /* the grid is far coarser than the picture */
                left = above[low] + share * (below[low] - above[low]),
                right = above[high] + share * (below[high] - above[high]);
            out[j] = left + cols->share_of_high[j] * (right - left);
        }
    }
    finish(written, out + begin, end - begin);
}

/* Makes pixels of a row in all planes. */
static void in_all_planes(const lmf_upsample_job *d, const between *rows, const between *cols, int64_t image,
                          int64_t row, int32_t begin, int32_t end)
{
    const float share = rows->share_of_high[row], *picture = d->picture + image * d->picture_image_size;
    const float *above = picture + rows->low[row] * d->picture_line_size,
                *below = picture + rows->high[row] * d->picture_line_size;
    float *out = d->out + image * d->out_image_size + row * d->out_line_size;
#ifdef __AVX512F__
    /* The columns that LANES pixels read are in two registers. Masks keep reads in the line and writes before `end`. */
    while (begin < end) {
        const int32_t first = cols->low[begin], after = begin + LANES < end ? begin + LANES : end;
        const int32_t count = cols->high[after - 1] + 1 - first;
        if (count > 2 * LANES) break;
        const uint32_t read = ~0u >> (2 * LANES - count);
        const __mmask16 made = 0xffff >> (begin + LANES - after);
        const __m512i from = _mm512_set1_epi32(first);
        const __m512i low = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(made, cols->low + begin), from);
        const __m512i high = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(made, cols->high + begin), from);
        const vector share_of_high = (vector)_mm512_maskz_loadu_ps(made, cols->share_of_high + begin);
        for (int64_t plane = 0; plane < d->planes; plane++) {
            __m512 line[2];
            for (int k = 0; k < 2; k++) {
                const int64_t at = plane * d->picture_plane_size + first + k * LANES;
                const vector a = (vector)_mm512_maskz_loadu_ps(read >> k * LANES, above + at);
                const vector b = (vector)_mm512_maskz_loadu_ps(read >> k * LANES, below + at);
                line[k] = (__m512)(a + share * (b - a));
            }
            const vector left = (vector)_mm512_permutex2var_ps(line[0], low, line[1]);
            const vector right = (vector)_mm512_permutex2var_ps(line[0], high, line[1]);
            const vector x = d->written.gain * (left + share_of_high * (right - left)) + d->written.offset;
            const __m512 from_low = _mm512_max_ps(_mm512_set1_ps(d->written.low), (__m512)x); /* NaN stays NaN */
            const __m512 to_high = _mm512_min_ps(_mm512_set1_ps(d->written.high), from_low);
            _mm512_mask_storeu_ps(out + plane * d->out_plane_size + begin, made, to_high);
        }
        begin = after;
    }
#endif
    for (int64_t plane = 0; begin < end && plane < d->planes;
         plane++, above += d->picture_plane_size, below += d->picture_plane_size)
        in_one_plane(above, below, share, cols, begin, end, &d->written, out + plane * d->out_plane_size);
}

int lmf_upsample(const lmf_upsample_job *d)
{
    arrays from = make_arrays(8, longest(&d->pixels));
    if (!from.memory) return LMF_NO_MEMORY;
    const between rows = find_between(&d->rows, &from), cols = find_between(&d->cols, &from);
    const places at = find_places(&d->pixels, &from);
#pragma omp parallel for collapse(2) schedule(dynamic, 4) num_threads(d->threads)
    for (int64_t image = 0; image < d->images; image++)
        for (int64_t row = 0; row < d->rows.pixels; row++)
            for (int64_t column = 0, begin, end; next_stretch(&d->pixels, &at, image, row, &column, &begin, &end);)
                in_all_planes(d, &rows, &cols, image, row, begin, end);
    free(from.memory);
    return LMF_DONE;
}
