/* render.h - an SVG drawing to 64 x 64 pixels, PNG files, and thumbnails for finding near-duplicates.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_RENDER_H
#define GE_RENDER_H

#include "util.h"

enum { GE_SIZE = 64, GE_MARGIN = 2, GE_THUMB = 16 };

/* RGBA, not premultiplied, GE_SIZE x GE_SIZE; false when the drawing cannot be rendered or is blank. */
bool ge_render(uint8_t *rgba, const char *svg, size_t n);
void ge_on_white(uint8_t *rgb, const uint8_t *rgba);
void ge_write_png(const char *path, const uint8_t *px, uint32_t w, uint32_t h, unsigned channels);

/* Grey on white at 16 x 16, centred and of length one: the dot product of two is their centred cosine.  A plain field gives zeros. */
void ge_thumb(float t[GE_THUMB * GE_THUMB], const uint8_t *rgb);
float ge_cosine(const float *a, const float *b);

#endif
