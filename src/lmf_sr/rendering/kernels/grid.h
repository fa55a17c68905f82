/* What the Python side says about a grid of pixels. */

#include <stdint.h>

/* Where pixel i of an axis lies between two pixels of a picture. */
typedef struct {
    const int32_t *low, *high;
    const float *share_of_high;
} between;

/* Some of the pixels: along a row on line l of image b, stretches number first[b * lines + l] up to the next one's, each
   from begin up to end; some may be empty. */
typedef struct {
    const int32_t *line, *first, *begin, *end;
    int64_t lines;
} stretches;
