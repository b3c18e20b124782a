/* pretrain_caption.c - captions as alternative texts write them: names and keywords in varying order and company.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"
#include "train/pretrain_pairs.h"

/* Words that surround a name in the wild.  None of them, with a name, is a template that evaluation uses. */
static const char *const before[] = {"a ",
                                     "the ",
                                     "an icon of ",
                                     "icon of a ",
                                     "a drawing of ",
                                     "drawing of a ",
                                     "picture of a ",
                                     "a picture of ",
                                     "an image of ",
                                     "image of ",
                                     "an emoji of ",
                                     "illustration of ",
                                     "a sketch of ",
                                     "a small ",
                                     "a simple ",
                                     "this is a ",
                                     "sign showing ",
                                     "a symbol of a ",
                                     "clip art of ",
                                     "one "};
static const char *const after[] = {" icon",     " drawing",      " picture", " symbol", " emoji",
                                    " clip art", " illustration", " sign",    " image",  " sticker"};

static void add_keywords(gp_str *out, const gp_drawing *d, size_t n, bool comma_first, gp_rng *r)
{
    uint32_t order[64];
    size_t have = gp_min_size(d->n_keywords, GP_COUNT(order));
    for (uint32_t i = 0; i < have; i++) order[i] = i;
    gp_rng_shuffle(r, order, have);
    for (size_t i = 0; i < n && i < have; i++) {
        if (i > 0 || comma_first) gp_str_add(out, ", ");
        gp_str_add(out, d->keyword[order[i]]);
    }
}

static void add_name(gp_str *out, const gp_drawing *d, gp_rng *r)
{
    double u = gp_rng_uniform(r);
    if (u < 0.25) gp_str_add(out, before[gp_rng_below(r, (uint32_t)GP_COUNT(before))]);
    gp_str_add(out, d->name);
    if (u > 0.85) gp_str_add(out, after[gp_rng_below(r, (uint32_t)GP_COUNT(after))]);
    if (gp_rng_chance(r, 0.3)) gp_str_add(out, ".");
}

void gp_pairs_caption(gp_str *out, const gp_drawing *d, gp_rng *r)
{
    double u = gp_rng_uniform(r);
    size_t n = d->n_keywords ? 1 + gp_rng_below(r, (uint32_t)gp_min_size(d->n_keywords, 3)) : 0;
    if (n == 0 || u < 0.45) {
        add_name(out, d, r);
    } else if (u < 0.7) {
        add_name(out, d, r);
        add_keywords(out, d, n, true, r);
    } else if (u < 0.87) {
        add_keywords(out, d, n, false, r);
        gp_str_add(out, ", ");
        gp_str_add(out, d->name);
    } else {
        add_keywords(out, d, n + 1, false, r);
    }
}
