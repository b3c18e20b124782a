/* decode.c - fuzzes the image decoders: any bytes give an image within the limit or an error.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "image/image_int.h"

#define LIMIT ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const gp_image *im, gopro_status st, uint32_t channels)
{
    if (st != GOPRO_OK) {
        if (im->px) abort();
        return;
    }
    const size_t n = (size_t)im->w * im->h * im->channels;
    if (!im->px || im->channels != channels || n == 0 || n > LIMIT) abort();
    /* Every pixel can be read. */
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < n; i += 97) sum = (uint8_t)(sum + im->px[i]);
    sum = (uint8_t)(sum + im->px[n - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_image im;
    gopro_error err;
    const gopro_status st = gp_image_decode_max(&im, data, size, LIMIT, &err);
    const uint32_t w = im.w, h = im.h;
    check(&im, st, 3);
    gp_image_free(&im);
    if (st == GOPRO_OK) { /* its size is within the limit; a JPEG may come at half of it or less, in whole steps */
        const gopro_status scaled = gp_image_decode_least(&im, data, size, 8, &err);
        check(&im, scaled, 3);
        if (scaled == GOPRO_OK && (w % im.w || h % im.h || w / im.w != h / im.h)) abort();
        gp_image_free(&im);
    }
    check(&im, gp_image_decode_rgba_max(&im, data, size, LIMIT, &err), 4);
    gp_image_free(&im);
    return 0;
}
