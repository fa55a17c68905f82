/* A picture read bilinearly at the points of a grid: for `upsampling.py`.

   Between two of its rows a line is interpolated, from which the pixels of a row of the output are. */

#include <stdint.h>
#include <stdlib.h>

/* Where pixel i of an axis lies between two pixels of the picture. */
typedef struct {
    const int32_t *low, *high;
    const float *share_of_high;
} between;

typedef struct {
    const float *picture;
    int64_t picture_image_size, picture_plane_size, picture_line_size, picture_width;
    between rows, cols;
    float *out;
    int64_t out_image_size, out_plane_size, out_line_size;
    int64_t images, planes, height, width, threads;
} job;

/* 0, or 1 if there was no memory */
int lmf_upsample(const job *d)
{
    int failed = 0;
#pragma omp parallel num_threads(d->threads) reduction(|| : failed)
    {
        float *line = malloc(d->picture_width * sizeof *line);
        failed = !line;
#pragma omp for collapse(3) schedule(static)
        for (int64_t image = 0; image < d->images; image++)
            for (int64_t plane = 0; plane < d->planes; plane++)
                for (int64_t row = 0; row < d->height; row++) {
                    const float *picture = d->picture + image * d->picture_image_size + plane * d->picture_plane_size;
                    const float *above = picture + d->rows.low[row] * d->picture_line_size;
                    const float *below = picture + d->rows.high[row] * d->picture_line_size;
                    const float share = d->rows.share_of_high[row];
                    float *out = d->out + image * d->out_image_size + plane * d->out_plane_size + row * d->out_line_size;
                    if (!line) continue;
                    for (int64_t i = 0; i < d->picture_width; i++) line[i] = above[i] + share * (below[i] - above[i]);
                    for (int64_t i = 0; i < d->width; i++) {
                        const float left = line[d->cols.low[i]];
                        out[i] = left + d->cols.share_of_high[i] * (line[d->cols.high[i]] - left);
                    }
                }
        free(line);
    }
    return failed;
}
