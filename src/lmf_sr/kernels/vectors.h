/* Vectors of as many floats as a register of the CPU holds, in plain C with the vector extensions of GCC and Clang.
   LANES floats, the unit of channels, are PARTS vectors. (GCC keeps vectors larger than a register in memory, which
   takes ten times as long.) */

#pragma once

#include <stddef.h>

#include "boundary.h"
#ifdef __AVX__
#include <immintrin.h>
#endif

#if defined __AVX512F__
#define NATIVE 16
#elif defined __AVX__
#define NATIVE 8
#else
#define NATIVE 4
#endif
enum { PARTS = LANES / NATIVE };

typedef float vector __attribute__((vector_size(4 * NATIVE), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(4 * NATIVE)));

/* A loop that is unrolled, so that arrays stay in registers. */
#define EACH(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++)
#define INLINE static inline __attribute__((always_inline))

INLINE vector load(const float *p) { return *(const vector *)p; }
INLINE void store(float *p, vector v) { *(vector *)p = v; }

INLINE vector relu(vector x) /* NaN stays NaN */
{
#ifdef __AVX512F__
    return (vector)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
#elif defined __AVX__
    return (vector)_mm256_max_ps(_mm256_setzero_ps(), (__m256)x);
#else
    return (vector)((mask)x & ~(mask)(x <= 0));
#endif
}

INLINE vector leaky_relu(vector x, float slope) /* NaN stays NaN */
{
    const vector low = slope * x;
#ifdef __AVX512F__
    return (vector)_mm512_mask_mov_ps((__m512)low, _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GT_OQ),
                                      (__m512)x);
#else
    const mask positive = (mask)(x > 0);
    return (vector)(((mask)x & positive) | ((mask)low & ~positive));
#endif
}

/* cos(pi x) to 1e-7, for |x| below 2^22. */
INLINE vector cos_pi(vector x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves no fraction */
    vector half = x * 0.5f;
    vector turn = half - ((half + round) - round);                   /* in [-1/2, 1/2] */
    vector u = 0.25f - (vector)((mask)turn & 0x7fffffff), v = u * u; /* cos(2 pi turn) = sin(2 pi u) */
    vector p = 39.536706f * v - 76.549782f;                          /* minimax for sin(2 pi u) / u, to 4e-9 */
    p = p * v + 81.601004f;
    p = p * v - 41.341655f;
    p = p * v + 6.28318516f;
    return p * u;
}
