/* A 3x3 convolution of an encoder, for `encoders/compiled.py`:

       out = conv(in) + bias,   or its relu,   or residual + scale * (conv(in) + bias)

   `out` and `residual` hold a position's channels side by side, `residual` in the layout of `out`, which it may be. */

#include <omp.h>

#include "winograd.h"

static void stretch(const lmf_convolve_job *d, int64_t image, int64_t row, int64_t left, conv_scratch at)
{
    const lmf_picture *input = &d->input;
    const int64_t channels = d->convolution.out;
    const int positions = input->width - left < POSITIONS ? (int)(input->width - left) : POSITIONS;
    convolve(input, &d->convolution, image, row, left, (positions + 1) / 2, d->convolution.bias, d->with_relu, at);
    for (int i = 0; i < 2 && row + i < input->height; i++) {
        const int64_t begin = image * d->out_image_size + (row + i) * d->out_line_size + left * d->out_position_size;
        for (int p = 0; p < positions; p++) {
            const float *x = at.x + (i * POSITIONS + p) * channels;
            const int64_t to = begin + p * d->out_position_size;
            if (d->residual)
                for (int64_t c = 0; c < channels; c += LANES)
                    store(d->out + to + c, load(d->residual + to + c) + d->scale * load(x + c));
            else
                memcpy(d->out + to, x, sizeof(float) * channels);
        }
    }
}

int lmf_convolve(const lmf_convolve_job *d)
{
    const int64_t pairs = (d->input.height + 1) / 2, stretches = (d->input.width + POSITIONS - 1) / POSITIONS;
    const int64_t size = scratch_size(&d->convolution);
    float *memory = aligned_alloc(64, sizeof(float) * size * d->threads);
    if (!memory) return LMF_NO_MEMORY;
#pragma omp parallel num_threads(d->threads)
    {
        const conv_scratch at = make_scratch(&d->convolution, memory + size * omp_get_thread_num());
#pragma omp for collapse(3) schedule(dynamic)
        for (int64_t image = 0; image < d->images; image++)
            for (int64_t pair = 0; pair < pairs; pair++)
                for (int64_t column = 0; column < stretches; column++)
                    stretch(d, image, 2 * pair, column * POSITIONS, at);
    }
    free(memory);
    return LMF_DONE;
}
