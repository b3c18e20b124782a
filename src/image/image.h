/* image.h - 8-bit RGB images: decoding by content, Pillow-exact resampling, normalisation (METHODS 1.5, 4).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_IMAGE_H
#define GP_IMAGE_H

#include "base/error.h"
#include "base/rng.h"

typedef struct gp_image {
    uint8_t *px;             /* [h, w, channels], malloc'ed */
    uint32_t w, h, channels; /* 3, or 4 from gp_image_decode_rgba */
} gp_image;
void gp_image_free(gp_image *im);
gopro_status gp_image_alloc(gp_image *im, uint32_t w, uint32_t h, uint32_t channels, gopro_error *err);

/* JPEG, PNG, WebP, GIF, of animations the first frame, recognised by their bytes, whatever the name.  8-bit RGB: grey replicated, palette
 * expanded, alpha dropped without compositing, 16-bit to 8 as Pillow does, CMYK converted, EXIF orientation not applied.  FORMAT error says
 * what the bytes look like. At most 1 GiB of pixels (a decompression bomb is refused before allocation). */
gopro_status gp_image_decode(gp_image *im, const uint8_t *data, size_t size, gopro_error *err);
/* The same, but a JPEG comes out at an eighth, a quarter or a half of its size if its sides are multiples of 8, 4 or 2 and stay at least
 * `least`: an approximation, from fewer coefficients.  least 0: as it is. */
gopro_status gp_image_decode_least(gp_image *im, const uint8_t *data, size_t size, uint32_t least, gopro_error *err);
gopro_status gp_image_decode_rgba(gp_image *im, const uint8_t *data, size_t size,
                                  gopro_error *err);                                     /* PNG only; for pretraining drawings */
gopro_status gp_image_read(gp_image *im, const char *path, gopro_error *err);            /* DATA error names the file */
gopro_status gp_image_write_png(const gp_image *im, const char *path, gopro_error *err); /* atomic */
/* The file in memory, malloc'ed: PNG of 3 or 4 channels; JPEG of 3, quality 1 to 100, colours at half the resolution. */
gopro_status gp_image_encode_png(uint8_t **data, size_t *size, const gp_image *im, gopro_error *err);
gopro_status gp_image_encode_jpeg(uint8_t **data, size_t *size, const gp_image *im, int quality, gopro_error *err);
bool gp_image_known_name(const char *name); /* .jpg .jpeg .png .webp .gif, any case: what a folder scan takes for an image */

typedef enum gp_filter { GP_BILINEAR, GP_BICUBIC } gp_filter;
/* out = box (x, y, w, h of integers) of im cut out, then resized to ow x oh by Pillow's resampler (METHODS 1.5). */
gopro_status gp_image_resize(gp_image *out, const gp_image *im, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint32_t ow, uint32_t oh,
                             gp_filter f, gopro_error *err);
/* The test transform: short side to size (bicubic unless f says otherwise), centre crop. */
gopro_status gp_image_center(gp_image *out, const gp_image *im, uint32_t size, gp_filter f, gopro_error *err);
/* The same for a model that resizes to more than it cuts out: short side to `shorter`, at least size. */
gopro_status gp_image_center_of(gp_image *out, const gp_image *im, uint32_t shorter, uint32_t size, gp_filter f, gopro_error *err);
/* x = (px/255 - mean)/std into planar [3, h, w]. */
void gp_image_normalise(float *x, const gp_image *im, const float mean[3], const float std[3]);
void gp_image_flip(gp_image *im); /* left-right, in place */

#endif
