/* The geometry of a grid of pixels, in double precision: the C copy of `geometry.py` and `rendering/pixel_axes.py`.
   `tests/kernels/test_bindings.py` holds the copy to the original. */

#pragma once

#include <math.h>
#include <stdlib.h>

#include "boundary.h"

/* The two pixels of a picture that each pixel of an axis lies between, and how much of the higher it takes. */
typedef struct {
    int32_t *low, *high;
    float *share_of_high;
} between;

/* The places of chosen pixels. `line` is the line of latents nearest to each row of pixels. `first_pixel` is, for each
   column of latents, the first column of pixels whose nearest column of latents is this one or a later one. */
typedef struct {
    int32_t *line, *first_pixel;
} places;

static inline void finish(const lmf_values *v, float *pixels, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float x = v->gain * pixels[i] + v->offset, low = x < v->low ? v->low : x;
        pixels[i] = low > v->high ? v->high : low;
    }
}

/* Arrays of up to `most` floats or int32, taken one after the other from memory that is freed at once. */
typedef struct {
    char *memory, *free;
    int64_t most;
} arrays;

/* `memory` is NULL if there is not enough. */
static inline arrays make_arrays(int64_t count, int64_t most)
{
    char *memory = malloc(count * most * sizeof(int32_t));
    return (arrays){memory, memory, most};
}

static inline void *take(arrays *from)
{
    void *array = from->free;
    from->free += from->most * sizeof(int32_t);
    return array;
}

static inline int64_t longest(const lmf_chosen *pixels)
{
    int64_t most = pixels->rows.pixels > pixels->cols.pixels ? pixels->rows.pixels : pixels->cols.pixels;
    return 1 + (most > pixels->cols.latents ? most : pixels->cols.latents);
}

/* The position of a pixel among the latents, counted in latents. */
static inline double position(const lmf_axis *a, int64_t pixel) { return ((a->at[pixel] + 1) * a->latents - 1) / 2; }

static inline double clamp(double x, int64_t n) { return x < 0 ? 0 : x > n - 1 ? n - 1 : x; }

static inline between find_between(const lmf_axis *a, arrays *from)
{
    between found = {take(from), take(from), take(from)};
    for (int64_t i = 0; i < a->pixels; i++) {
        const double x = clamp(position(a, i), a->latents), low = floor(x);
        found.low[i] = low;
        found.high[i] = clamp(low + 1, a->latents);
        found.share_of_high[i] = x - low;
    }
    return found;
}

static inline int64_t nearest(const lmf_axis *a, int64_t pixel)
{
    return clamp(rint(position(a, pixel) + a->tie), a->latents);
}

static inline places find_places(const lmf_chosen *pixels, arrays *from)
{
    places found = {take(from), take(from)};
    for (int64_t row = 0; row < pixels->rows.pixels; row++) found.line[row] = nearest(&pixels->rows, row);
    int64_t column = 0;
    for (int64_t i = 0; i < pixels->cols.pixels; i++)
        for (const int64_t last = nearest(&pixels->cols, i); column <= last; column++) found.first_pixel[column] = i;
    for (; column <= pixels->cols.latents; column++) found.first_pixel[column] = pixels->cols.pixels;
    return found;
}

/* Finds the next stretch of chosen neighbours in a row, from *begin up to *end, which may be empty; returns 0 if none is
   left. *column, at first 0, is where the search goes on. With `around`, two stretches may share a pixel. */
static inline int next_stretch(const lmf_chosen *pixels, const places *at, int64_t image, int64_t row, int64_t *column,
                               int64_t *begin, int64_t *end)
{
    const int64_t columns = pixels->cols.latents, width = pixels->cols.pixels;
    if (!pixels->latents) {
        *begin = 0, *end = width;
        return !(*column)++;
    }
    const int64_t before = row - (pixels->around && row > 0);
    const int64_t after = row + (pixels->around && row + 1 < pixels->rows.pixels);
    const uint8_t *latents = pixels->latents + image * pixels->rows.latents * columns;
    const uint8_t *line = latents + at->line[row] * columns;
    const uint8_t *above = latents + at->line[before] * columns, *below = latents + at->line[after] * columns;
#define CHOSEN(c) (line[c] | above[c] | below[c])
    while (*column < columns && !CHOSEN(*column)) ++*column;
    if (*column == columns) return 0;
    *begin = at->first_pixel[*column];
    while (*column < columns && CHOSEN(*column)) ++*column;
    *end = at->first_pixel[*column];
    if (pixels->around && *begin < *end) *begin -= *begin > 0, *end += *end < width;
#undef CHOSEN
    return 1;
}
