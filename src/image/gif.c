/* gif.c - the first frame of a GIF, as Pillow shows it: on the logical screen, uncovered pixels in the transparent colour or colour 0.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "image/image_int.h"

#define MAX_CODES 4096

typedef struct gif {
    const uint8_t *p, *end;
    uint32_t w, h;
    uint8_t palette[256][3];
    uint8_t background; /* of pixels that the frame does not cover */
} gif;

typedef struct frame {
    uint32_t x, y, w, h;
    bool interlaced;
} frame;

static gopro_status damaged(gopro_error *err)
{
    return gp_fail(err, GOPRO_E_FORMAT, "GIF: the file is damaged or truncated");
}

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static bool has(const gif *g, size_t n)
{
    return (size_t)(g->end - g->p) >= n;
}

static bool read_palette(gif *g, unsigned flags)
{
    const size_t n = (size_t)2 << (flags & 7);
    if (!(flags & 0x80)) return true;
    if (!has(g, 3 * n)) return false;
    memcpy(g->palette, g->p, 3 * n);
    g->p += 3 * n;
    return true;
}

/* Over the blocks of an extension up to the empty one. */
static bool skip_blocks(gif *g)
{
    while (has(g, 1)) {
        const size_t n = *g->p++;
        if (n == 0) return true;
        if (!has(g, n)) return false;
        g->p += n;
    }
    return false;
}

/* Up to the first frame's description. */
static bool find_frame(gif *g, frame *f)
{
    while (has(g, 1)) {
        const uint8_t kind = *g->p++;
        if (kind == 0x21) {
            if (!has(g, 1)) return false;
            const uint8_t label = *g->p++;
            if (label == 0xf9 && has(g, 5) && g->p[0] >= 4 && (g->p[1] & 1)) g->background = g->p[4];
            if (!skip_blocks(g)) return false;
        } else if (kind == 0x2c) {
            if (!has(g, 9)) return false;
            *f = (frame){u16(g->p), u16(g->p + 2), u16(g->p + 4), u16(g->p + 6), (g->p[8] & 0x40) != 0};
            const unsigned flags = g->p[8];
            g->p += 9;
            return f->w > 0 && f->h > 0 && read_palette(g, flags);
        } else if (kind == 0x3b) {
            return false;
        }
    }
    return false;
}

/* ---- LZW ---- */

typedef struct lzw {
    gif *g;
    const uint8_t *block, *block_end;
    uint32_t bits, n_bits;
    uint16_t prefix[MAX_CODES];
    uint8_t suffix[MAX_CODES], stack[MAX_CODES];
} lzw;

static int next_code(lzw *z, unsigned size)
{
    while (z->n_bits < size) {
        if (z->block == z->block_end) {
            if (!has(z->g, 1)) return -1;
            const size_t n = *z->g->p++;
            if (n == 0 || !has(z->g, n)) return -1;
            z->block = z->g->p;
            z->block_end = z->g->p += n;
        }
        z->bits |= (uint32_t)*z->block++ << z->n_bits;
        z->n_bits += 8;
    }
    const int code = (int)(z->bits & ((1u << size) - 1));
    z->bits >>= size;
    z->n_bits -= size;
    return code;
}

/* n colour numbers into out. */
static bool unpack(lzw *z, uint8_t *out, size_t n)
{
    if (!has(z->g, 1)) return false;
    const unsigned least = *z->g->p++;
    if (least < 1 || least > 8) return false;
    const int clear = 1 << least;
    int next = clear + 2, last = -1;
    unsigned size = least + 1;
    uint8_t first = 0;
    for (size_t at = 0; at < n;) {
        const int read = next_code(z, size);
        int code = read;
        if (code < 0 || code == clear + 1) return false;
        if (code == clear) {
            next = clear + 2;
            size = least + 1;
            last = -1;
            continue;
        }
        size_t depth = 0;
        if (last < 0 ? code >= clear : code > next) return false;
        if (last >= 0 && code == next) {
            z->stack[depth++] = first;
            code = last;
        }
        for (; code >= clear + 2; code = z->prefix[code]) {
            if (depth == MAX_CODES - 1) return false;
            z->stack[depth++] = z->suffix[code];
        }
        z->stack[depth++] = first = (uint8_t)code;
        while (depth > 0 && at < n) out[at++] = z->stack[--depth];
        if (last >= 0 && next < MAX_CODES) {
            z->prefix[next] = (uint16_t)last;
            z->suffix[next] = first;
            if (++next == 1 << size && size < 12) size++;
        }
        last = read;
    }
    return true;
}

/* ---- pixels ---- */

/* Row of the frame that the i-th stored row is. */
static uint32_t row_of(uint32_t i, uint32_t h)
{
    static const uint32_t start[4] = {0, 4, 2, 1}, step[4] = {8, 8, 4, 2};
    for (int pass = 0; pass < 4; pass++) {
        const uint32_t rows = h > start[pass] ? (h - start[pass] + step[pass] - 1) / step[pass] : 0;
        if (i < rows) return start[pass] + i * step[pass];
        i -= rows;
    }
    return 0;
}

static void paint(gp_image *im, const gif *g, const frame *f, const uint8_t *index)
{
    for (size_t i = 0; i < (size_t)im->w * im->h; i++) memcpy(im->px + 3 * i, g->palette[g->background], 3);
    for (uint32_t i = 0; i < f->h; i++) {
        const uint32_t y = f->y + (f->interlaced ? row_of(i, f->h) : i);
        for (uint32_t x = 0; x < f->w && y < im->h && f->x + x < im->w; x++)
            memcpy(im->px + 3 * ((size_t)y * im->w + f->x + x), g->palette[index[(size_t)i * f->w + x]], 3);
    }
}

gopro_status gp_gif_decode(gp_image *im, const uint8_t *data, size_t size, size_t max_bytes, gopro_error *err)
{
    gif g = {.p = data, .end = data + size};
    frame f;
    for (int i = 0; i < 256; i++) memset(g.palette[i], i, 3);
    if (!has(&g, 13)) return damaged(err);
    g.w = u16(g.p + 6);
    g.h = u16(g.p + 8);
    const unsigned flags = g.p[10];
    g.p += 13;
    if (!read_palette(&g, flags) || !find_frame(&g, &f)) return damaged(err);
    /* A frame that reaches beyond the screen makes the screen larger. */
    const uint32_t w = f.x + f.w > g.w ? f.x + f.w : g.w, h = f.y + f.h > g.h ? f.y + f.h : g.h;
    GP_TRY(gp_image_alloc_max(im, w, h, 3, max_bytes, err));
    const size_t n = (size_t)f.w * f.h;
    uint8_t *index = malloc(n);
    lzw *z = calloc(1, sizeof *z);
    gopro_status st = GOPRO_OK;
    if (!index || !z) {
        st = gp_fail_nomem(err, n, "an image");
    } else {
        z->g = &g;
        st = unpack(z, index, n) ? GOPRO_OK : damaged(err);
    }
    if (st == GOPRO_OK)
        paint(im, &g, &f, index);
    else
        gp_image_free(im);
    free(index);
    free(z);
    return st;
}
