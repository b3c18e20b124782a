/* pretrain_view.c - what pretraining shows of a drawing: colours, background, and the crops, colours, blur and mixtures of the methods'
 * views. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "train/pretrain_pairs.h"

typedef struct ink {
    uint8_t back[3], fore[3];
    bool recolour;
} ink;

static void random_colour(uint8_t c[3], double lo, double hi, gp_rng *r)
{
    for (int i = 0; i < 3; i++) c[i] = (uint8_t)(255.0 * gp_rng_range(r, lo, hi));
}

static ink choose_ink(const gp_drawing *d, gp_rng *r)
{
    ink k = {{255, 255, 255}, {0, 0, 0}, false};
    double u = gp_rng_uniform(r);
    if (d->colour) {
        if (u < 0.2)
            random_colour(k.back, 0.6, 1.0, r);
        else if (u < 0.3)
            random_colour(k.back, 0.0, 0.5, r);
        return k;
    }
    k.recolour = true;
    if (u < 0.15) {
        random_colour(k.back, 0.7, 1.0, r);
        random_colour(k.fore, 0.0, 0.5, r);
    } else if (u < 0.3) {
        random_colour(k.fore, 0.0, 0.6, r);
    } else if (u < 0.4) { /* light on dark */
        random_colour(k.back, 0.0, 0.4, r);
        random_colour(k.fore, 0.75, 1.0, r);
    }
    return k;
}

static gopro_status compose(gp_image *out, const gp_drawing *d, const ink *k, gopro_error *err)
{
    GP_TRY(gp_image_alloc(out, d->rgba.w, d->rgba.h, 3, err));
    size_t n = (size_t)d->rgba.w * d->rgba.h;
    const uint8_t *s = d->rgba.px;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) {
            unsigned a = s[4 * i + 3], f = s[4 * i + (size_t)c];
            /* a drawing in one ink keeps its greys: its own value moves from the chosen ink towards white */
            if (k->recolour) f = k->fore[c] + (255u - k->fore[c]) * f / 255u;
            out->px[3 * i + (size_t)c] = (uint8_t)((f * a + k->back[c] * (255u - a) + 127u) / 255u);
        }
    return GOPRO_OK;
}

/* Zoom, shift and a small turn about the centre; what comes in from outside is background. */
static gopro_status small_affine(gp_image *im, const uint8_t back[3], gp_rng *r, gopro_error *err)
{
    double t = gp_rng_range(r, -0.2, 0.2), zoom = exp(gp_rng_range(r, -0.2, 0.25));
    double half = im->w / 2.0, dx = im->w * gp_rng_range(r, -0.08, 0.08), dy = im->w * gp_rng_range(r, -0.08, 0.08);
    double co = cos(t) * zoom, si = sin(t) * zoom;
    double m[6] = {co, si, half - co * half - si * half + dx, -si, co, half + si * half - co * half + dy};
    /* gp_affine paints black outside; on the negative relative to the background that is the background */
    size_t n = (size_t)im->w * im->h;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) im->px[3 * i + (size_t)c] = (uint8_t)(back[c] - im->px[3 * i + (size_t)c]);
    gopro_status st = gp_affine(im, m, err);
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) im->px[3 * i + (size_t)c] = (uint8_t)(back[c] - im->px[3 * i + (size_t)c]);
    return st;
}

static gopro_status crop(gp_image *im, const gp_view_config *c, double crop_min, gp_filter f, gp_rng *r, gopro_error *err)
{
    gp_image out = {0};
    /* most crops mild, some as small as crop_min */
    double lo = gp_rng_chance(r, 0.5) ? fmax(crop_min, 0.6) : crop_min;
    GP_TRY(gp_random_resized_crop(&out, im, c->size, lo, 1.0, f, r, err));
    gp_image_free(im);
    *im = out;
    return GOPRO_OK;
}

static gopro_status fit(gp_image *im, uint32_t size, gopro_error *err)
{
    gp_image out = {0};
    if (im->w == size && im->h == size) return GOPRO_OK;
    GP_TRY(gp_image_resize(&out, im, 0, 0, im->w, im->h, size, size, GP_BICUBIC, err));
    gp_image_free(im);
    *im = out;
    return GOPRO_OK;
}

gopro_status gp_pairs_view(float *x, const gp_drawing *d, const gp_view_config *c, double crop_min, gp_rng *r, gopro_error *err)
{
    gp_image im = {0};
    ink k = choose_ink(d, r);
    double kind = gp_rng_uniform(r);
    gopro_status st = compose(&im, d, &k, err);
    if (st == GOPRO_OK && gp_rng_chance(r, 0.5)) gp_image_flip(&im);
    if (st == GOPRO_OK && kind < 0.4 && (k.back[0] & k.back[1] & k.back[2]) == 255)
        st = small_affine(&im, k.back, r, err);
    else if (st == GOPRO_OK && kind >= 0.3)
        st = crop(&im, c, crop_min, kind < 0.7 ? GP_BICUBIC : GP_BILINEAR, r, err);
    if (st == GOPRO_OK) st = fit(&im, c->size, err);
    if (st == GOPRO_OK && kind >= 0.7 && kind < 0.85) {
        if (gp_rng_chance(r, 0.8)) gp_color_jitter(&im, 0.4, 0.4, 0.2, 0.1, r);
        if (gp_rng_chance(r, 0.2)) gp_to_grey(&im);
        st = gp_gaussian_blur(&im, (float)(gp_rng_range(r, 0.1, 2.0) * c->size / 224.0), err);
    }
    if (st == GOPRO_OK && kind >= 0.85)
        st = gp_augmix(x, &im, c->mean, c->std, c->augmix_severity, r, err);
    else if (st == GOPRO_OK)
        gp_image_normalise(x, &im, c->mean, c->std);
    gp_image_free(&im);
    return st;
}

gopro_status gp_pairs_ssl_view(float *x, const gp_drawing *d, const gp_view_config *c, gp_rng *r, gopro_error *err)
{
    gp_image im = {0};
    ink k = choose_ink(d, r);
    gopro_status st = compose(&im, d, &k, err);
    if (st == GOPRO_OK) st = gp_ssl_view(x, &im, c, r, err);
    gp_image_free(&im);
    return st;
}

gopro_status gp_pairs_plain(float *x, const gp_drawing *d, const gp_view_config *c, gopro_error *err)
{
    gp_image im = {0};
    ink k = {{255, 255, 255}, {0, 0, 0}, false};
    gopro_status st = compose(&im, d, &k, err);
    if (st == GOPRO_OK) st = fit(&im, c->size, err);
    if (st == GOPRO_OK) gp_image_normalise(x, &im, c->mean, c->std);
    gp_image_free(&im);
    return st;
}
