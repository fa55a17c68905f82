/* A 3x3 convolution of an encoder, with all that follows it at a position, for `encoders/cpu.py`:

       z   = conv(in) + bias,        activated
       y   = residual + scale * z    where there is a residual
       out = pointwise y + bias      where there is a 1x1 convolution

   `out` and `residual` hold a position's channels side by side, `residual` is laid out as `out`, and may be the
   same memory. */

#include <omp.h>

#include "winograd.h"

INLINE void convolve_stretch(int m, const lmf_convolve_job *d, int64_t image, int64_t row, int64_t left,
                             conv_scratch at)
{
    const lmf_picture *input = &d->input;
    const int64_t channels = d->convolution.out;
    const int positions = input->width - left < POSITIONS ? (int)(input->width - left) : POSITIONS;
    convolve(m, input, &d->convolution, image, row, left, positions, d->convolution.bias, d->slope, at);
    for (int i = 0; i < m && row + i < input->height; i++) {
        float *x = at.x + i * POSITIONS * channels;
        const int64_t begin = image * d->out_image_size + (row + i) * d->out_line_size + left * d->out_position_size;
        for (int p = 0; p < positions; p++) {
            const int64_t to = begin + p * d->out_position_size;
            float *x_p = x + p * channels, *y_p = d->pointwise.weight ? x_p : d->out + to;
            for (int64_t c = 0; c < channels; c += NATIVE)
                if (d->residual)
                    store(y_p + c, load(d->residual + to + c) + d->scale * load(x_p + c));
                else
                    store(y_p + c, load(x_p + c));
        }
        if (d->pointwise.weight)
            apply_layer(&d->pointwise, d->pointwise.bias, x, channels, positions, 1, d->out + begin,
                        d->out_position_size);
    }
}

static void convolve_stretch_2(const lmf_convolve_job *d, int64_t image, int64_t row, int64_t left, conv_scratch at)
{
    convolve_stretch(2, d, image, row, left, at);
}

static void convolve_stretch_4(const lmf_convolve_job *d, int64_t image, int64_t row, int64_t left, conv_scratch at)
{
    convolve_stretch(4, d, image, row, left, at);
}

int lmf_convolve(const lmf_convolve_job *d)
{
    const int m = d->tile;
    const int64_t strips = (d->input.height + m - 1) / m, stretches = (d->input.width + POSITIONS - 1) / POSITIONS;
    const int64_t size = scratch_size(m, &d->convolution);
    float *memory = aligned_alloc(64, sizeof(float) * size * d->threads);
    if (!memory) return LMF_NO_MEMORY;
#pragma omp parallel num_threads(d->threads)
    {
        const conv_scratch at = make_scratch(m, &d->convolution, memory + size * omp_get_thread_num());
#pragma omp for collapse(3) schedule(dynamic)
        for (int64_t image = 0; image < d->images; image++)
            for (int64_t strip = 0; strip < strips; strip++)
                for (int64_t column = 0; column < stretches; column++)
                    (m == 2 ? convolve_stretch_2 : convolve_stretch_4)(d, image, m * strip, column * POSITIONS, at);
    }
    free(memory);
    return LMF_DONE;
}
