/* The latents of LM-LIIF and LM-LTE: from features to rows of modulations, in one pass over the LR image.

       x    = conv3x3(F) + bias                   LM-LIIF: x <- relu(x)
                                                  LM-LTE:  x = [coef, g] <- coef * cos(pi [g, g - 1/2])
       row  = layers of x                         linear, with relu between them; [gain, offset, known or code]
       strengths = mean |gain - 1| and mean |offset - gain * bias| of each layer      where they are wanted; offset is
                                                                                      gain * bias + shift
       offset_0 <- offset_0 + gain_0 * known      where the render MLP's first layer is linear in the code

   A task is a stretch of the convolution (`winograd.h`), which goes through all stages in the level-2 cache. */

#include <omp.h>

#include "winograd.h"

/* Computes x = [coef, g] <- coef * cos(pi [g, g - 1/2]). */
INLINE void make_waves(float *x, int64_t waves)
{
    for (int64_t k = 0; k < waves / 2; k += NATIVE) {
        vector g = load(x + waves + k);
        store(x + k, load(x + k) * cos_pi(g));
        store(x + waves / 2 + k, load(x + waves / 2 + k) * cos_pi(g - 0.5f));
    }
}

INLINE vector absolute(vector x) { return (vector)((mask)x & 0x7fffffff); }

INLINE float mean_of(vector sums, int64_t count)
{
    float sum = 0;
    for (int k = 0; k < NATIVE; k++) sum += sums[k];
    return sum / count;
}

/* Writes mean |gain - 1| of each layer of a row, then mean |offset - gain * bias| of each layer. */
INLINE void measure_strengths(const float *row, int64_t modulations, int64_t hidden, const float *bias,
                              float *strengths)
{
    const int64_t width = modulations / hidden;
    for (int64_t l = 0; l < hidden; l++) {
        vector scales = {}, shifts = {};
        for (int64_t k = l * width; k < (l + 1) * width; k += NATIVE) {
            vector gain = load(row + k);
            scales += absolute(gain - 1.0f);
            shifts += absolute(load(row + modulations + k) - gain * load(bias + k));
        }
        strengths[l] = mean_of(scales, width);
        strengths[hidden + l] = mean_of(shifts, width);
    }
}

/* Does one task, two lines of positions from (2 * pair, left) of the window on. */
static void latents_of_stretch(const lmf_latents_job *d, int64_t image, int64_t pair, int64_t left, conv_scratch at,
                               float *y)
{
    const int positions = d->width - left < POSITIONS ? (int)(d->width - left) : POSITIONS;
    const lmf_linear *conv = &d->convolution;
    float *x = at.x;
    convolve(2, &d->features, conv, image, d->top + 2 * pair, d->left + left, positions, conv->bias + image * conv->out,
             d->waves ? 1 : 0, at);
    for (int i = 0; i < 2 && 2 * pair + i < d->height; i++) {
        float *out = d->out + image * d->out_image_size + (2 * pair + i) * d->out_line_size + left * d->latent_size;
        const float *input = x + i * POSITIONS * conv->out;
        int64_t input_size = conv->out;
        if (d->waves)
            for (int p = 0; p < positions; p++) make_waves(x + (i * POSITIONS + p) * conv->out, d->waves);
        for (int64_t l = 0; l < d->depth; l++) {
            const lmf_linear *layer = d->layers + l;
            const int is_last = l == d->depth - 1;
            float *output = is_last ? out : y;
            const int64_t output_size = is_last ? d->latent_size : layer->out;
            apply_layer(layer, layer->bias + image * layer->out, input, input_size, positions, is_last ? 1 : 0, output,
                        output_size);
            input = output, input_size = output_size;
        }
        if (d->strengths) {
            const int64_t each = 2 * d->hidden;
            float *strengths = d->strengths + each * ((image * d->height + 2 * pair + i) * d->width + left);
            for (int p = 0; p < positions; p++)
                measure_strengths(out + p * d->latent_size, d->modulations, d->hidden, d->bias, strengths + p * each);
        }
        if (d->known)
            for (int p = 0; p < positions; p++, out += d->latent_size)
                for (float *gain = out; gain < out + LANES; gain += NATIVE) {
                    float *offset = gain + d->modulations;
                    store(offset, load(offset) + load(gain) * load(offset + d->modulations));
                }
    }
}

int lmf_latents(const lmf_latents_job *d)
{
    const int64_t pairs = (d->height + 1) / 2, stretches = (d->width + POSITIONS - 1) / POSITIONS;
    const int64_t of_convolution = scratch_size(2, &d->convolution);
    const int64_t all = of_convolution + (POSITIONS + SPARE) * d->layers[0].out;
    float *memory = aligned_alloc(64, sizeof(float) * all * d->threads);
    if (!memory) return LMF_NO_MEMORY;
#pragma omp parallel num_threads(d->threads)
    {
        float *own = memory + all * omp_get_thread_num();
        const conv_scratch at = make_scratch(2, &d->convolution, own);
#pragma omp for collapse(3) schedule(dynamic)
        for (int64_t image = 0; image < d->images; image++)
            for (int64_t pair = 0; pair < pairs; pair++)
                for (int64_t stretch = 0; stretch < stretches; stretch++)
                    latents_of_stretch(d, image, pair, stretch * POSITIONS, at, own + of_convolution);
    }
    free(memory);
    return LMF_DONE;
}
