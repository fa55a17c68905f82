/* Everything that crosses from Python to C: the structures that `bindings.py` fills in, and the functions it calls.

   `bindings.py` mirrors the structures field by field. `layout.c` exports the size of each structure and the size and
   offset of each field, and `bindings.py` compares them with its own when it loads the library, so that a field that
   is added, moved or retyped on one side alone is an error at once.

   Sizes and strides are counted in floats. Every function returns LMF_DONE or LMF_NO_MEMORY. */

#pragma once

#include <stdint.h>

enum { LMF_DONE = 0, LMF_NO_MEMORY = 1 };
enum { LANES = 16 }; /* floats in a vector; every number of channels is a multiple of it */

/* Images in any layout, a multiple of LANES channels. A convolution reads zeros beyond their border. */
typedef struct {
    const float *data;
    int64_t image_size, channel_size, line_size, position_size;
    int64_t height, width;
} lmf_picture;

/* A linear layer, or a convolution in Winograd's form with a matrix for each of its points. The weight holds a line of
   `out` floats for each input, and the bias holds `out` floats, for each image or for all. `in` and `out` are multiples
   of LANES. */
typedef struct {
    const float *weight, *bias;
    int64_t in, out;
} lmf_linear;

/* The pixels of an axis, at coordinates in [-1, 1] that rise, over `latents` latents, which are counted from `first`.
   The latents may be the pixels of a picture instead. */
typedef struct {
    const double *at;
    int64_t pixels, latents, first;
    double tie; /* a pixel this close before a tie, in units of latents, goes to the later latent */
} lmf_axis;

/* A selection of a grid's pixels: those whose nearest latent is chosen and, if `around`, those next to them. */
typedef struct {
    const uint8_t *latents; /* for each image, line and column; NULL chooses all */
    lmf_axis rows, cols;
    int64_t around;
} lmf_chosen;

/* A pixel x is written as min(max(gain x + offset, low), high). NaN stays NaN. */
typedef struct {
    float gain, offset, low, high;
} lmf_values;

/* A 3x3 convolution of an encoder, with what follows it (`convolve.c`). */
typedef struct {
    lmf_picture input;
    int64_t tile;           /* m of Winograd's F(m x m, 3x3): 2 or 4 */
    lmf_linear convolution; /* weight: ((m + 2)^2, in, out), transformed */
    const float *residual;  /* laid out as `out`, and perhaps the same memory; NULL if there is none */
    lmf_linear pointwise;   /* a 1x1 convolution, with as many outputs as inputs; its weight is NULL if there is none */
    float *out;             /* a position's channels are side by side */
    int64_t out_image_size, out_line_size, out_position_size;
    int64_t images, threads;
    float slope, scale; /* slope of leaky relu (0: relu, 1: none); factor of what the residual gets */
} lmf_convolve_job;

enum { LMF_MAX_LAYERS = 2 };

/* The latent MLP (`latents.c`). */
typedef struct {
    lmf_picture features;
    int64_t top, left, height, width; /* the window to make rows for */
    lmf_linear convolution;           /* weight: (16, in, out), transformed */
    int64_t waves;                    /* the number of coef; 0 for relu */
    int64_t depth;                    /* the number of layers */
    lmf_linear layers[LMF_MAX_LAYERS];
    int64_t modulations, known; /* where the offsets begin in a row; whether to add gain_0 * known */
    float *out;
    int64_t out_image_size, out_line_size, latent_size;
    int64_t hidden;    /* the number of the render MLP's hidden layers */
    const float *bias; /* the biases of these layers */
    float *strengths;  /* 2 * hidden for each row; NULL if none are wanted */
    int64_t images, threads;
} lmf_latents_job;

/* The render MLP on a grid (`render.c`). */
typedef struct {
    /* the latents: each is `latent_size` floats, which are gains, offsets and perhaps coef and freq */
    const float *latents;
    int64_t image_size, line_size, latent_size;
    /* the matrices by columns; `first` has 2 columns (rel) or, with phases, 16; `last` has its bias as a 17th column */
    const float *first, *hidden, *last;
    const float *phases; /* [phase, phase - 1/2] for each image; NULL where the input is rel */
    const float *shift;  /* added to the first layer's product, for each image; NULL for zeros */
    int64_t depth;
    lmf_chosen pixels; /* which pixels of the grid to render */
    /* the LR image to add; NULL if none is added */
    const float *lr;
    int64_t lr_image_size, lr_channel_size, lr_line_size;
    /* the output */
    float *out;
    int64_t out_image_size, out_channel_size, out_line_size;
    lmf_values written;
    int64_t images, threads;
} lmf_render_job;

/* Bilinear interpolation (`upsample.c`). */
typedef struct {
    const float *picture;
    int64_t picture_image_size, picture_plane_size, picture_line_size;
    lmf_axis rows, cols; /* of the grid, over the pixels of the picture */
    lmf_chosen pixels;   /* which pixels of the grid to make */
    float *out;
    int64_t out_image_size, out_plane_size, out_line_size;
    lmf_values written;
    int64_t images, planes, threads;
} lmf_upsample_job;

int lmf_convolve(const lmf_convolve_job *);
int lmf_latents(const lmf_latents_job *);
int lmf_render(const lmf_render_job *);
int lmf_upsample(const lmf_upsample_job *);

/* A structure (`field` is empty, `offset` 0) or a field of one. The last entry's `structure` is NULL. */
typedef struct {
    const char *structure, *field;
    int64_t offset, size;
} lmf_layout_entry;

const lmf_layout_entry *lmf_layout(void);
