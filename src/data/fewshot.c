/* fewshot.c - the few-shot draw over all classes, exactly as the published experiments made it (DATASETS.md 4).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/sha256.h"
#include "base/str.h"
#include "data/dataset_int.h"

#define VAL_SHOTS 4u
#define MAX_NAMED 6u /* classes named in one message */

/* Items of a list by label: those of label k are member[first[k] .. first[k+1]-1], in file order; seen lists the labels in order of
 * first appearance. */
typedef struct groups {
    uint32_t *member, *first, *seen;
    size_t n_seen;
} groups;

static void groups_free(groups *g)
{
    free(g->member);
    free(g->first);
    free(g->seen);
}

static gopro_status groups_make(groups *g, const gp_split *s, size_t n_classes, gopro_error *err)
{
    *g = (groups){0};
    if (s->n >= UINT32_MAX || n_classes >= UINT32_MAX) return gp_fail(err, GOPRO_E_INVALID, "too many images for a draw: %zu", s->n);
    g->member = calloc(s->n + 1, sizeof *g->member);
    g->first = calloc(n_classes + 2, sizeof *g->first);
    g->seen = calloc(n_classes + 1, sizeof *g->seen);
    if (!g->member || !g->first || !g->seen) return gp_fail_nomem(err, (s->n + 2 * n_classes) * 4, "a draw");
    for (size_t i = 0; i < s->n; i++) {
        uint32_t k = s->item[i].label;
        if (k >= n_classes)
            return gp_fail(err, GOPRO_E_INVALID, "label %u of '%s' is out of range; expected 0 to %zu", k, s->item[i].path, n_classes - 1);
        if (g->first[k + 2]++ == 0) g->seen[g->n_seen++] = k;
    }
    /* first[k + 1] walks from the start of group k to its end, which is the start of group k + 1. */
    for (size_t k = 2; k < n_classes + 2; k++) g->first[k] += g->first[k - 1];
    for (size_t i = 0; i < s->n; i++) g->member[g->first[s->item[i].label + 1]++] = (uint32_t)i;
    return GOPRO_OK;
}

/* Classes with too few images, told in one line. */
typedef struct short_classes {
    gp_str names;
    size_t n;
} short_classes;

static void note_short(short_classes *c, const char *name, uint32_t have)
{
    if (c->n++ < MAX_NAMED) gp_str_addf(&c->names, "%s%s (%u)", c->n > 1 ? ", " : "", name, have);
}

static gopro_status draw_list(uint32_t **out, size_t *n_out, const gp_split *s, const gp_dataset *d, uint32_t shots, const char *what,
                              gp_mt19937 *m, const gp_log *log, gopro_error *err)
{
    groups g;
    uint32_t *v = NULL, *pick = NULL;
    short_classes shortage = {0};
    size_t n = 0;
    gopro_status st = GOPRO_OK;
    GP_CHECK(groups_make(&g, s, d->n_classes, err));
    v = malloc((s->n + 1) * sizeof *v);
    pick = malloc(((size_t)shots + 1) * sizeof *pick);
    if (!v || !pick) {
        st = gp_fail_nomem(err, (s->n + shots) * sizeof *v, "a draw");
        goto out;
    }
    for (size_t i = 0; i < g.n_seen; i++) {
        const uint32_t k = g.seen[i], have = g.first[k + 1] - g.first[k];
        const uint32_t *member = g.member + g.first[k];
        if (have < shots) {
            note_short(&shortage, d->class_name && d->class_name[k] ? d->class_name[k] : "?", have);
            for (uint32_t j = 0; j < have; j++) v[n++] = member[j];
            continue;
        }
        GP_CHECK(gp_mt_sample(m, pick, have, shots, err));
        for (uint32_t j = 0; j < shots; j++) v[n++] = member[pick[j]];
    }
    if (shortage.n > 0)
        gp_logf(log, GP_LOG_WARN, "%zu of %zu classes have fewer %s images than the %u shots, all are taken: %s%s", shortage.n, g.n_seen,
                what, shots, shortage.names.s ? shortage.names.s : "", shortage.n > MAX_NAMED ? ", ..." : "");
    *out = v;
    *n_out = n;
    v = NULL;
out:
    gp_str_free(&shortage.names);
    free(v);
    free(pick);
    groups_free(&g);
    return st;
}

void gp_draw_hash(char hex[65], const uint32_t *v, size_t n)
{
    gp_sha256 c;
    gp_sha256_init(&c);
    for (size_t i = 0; i < n; i++) {
        char s[16];
        int len = snprintf(s, sizeof s, i > 0 ? ",%u" : "%u", v[i]);
        gp_sha256_add(&c, s, (size_t)len);
    }
    gp_sha256_hex(&c, hex);
}

gopro_status gp_draw_make(gp_draw *dr, const gp_dataset *d, size_t shots, uint64_t seed, const gp_log *log, gopro_error *err)
{
    *dr = (gp_draw){0};
    if (shots == 0 || shots > 1000000) return gp_fail(err, GOPRO_E_INVALID, "cannot draw %zu shots; expected 1 to 1000000", shots);
    if (d->train.n == 0) return gp_fail(err, GOPRO_E_DATA, "dataset '%s' has no training images to draw from", d->name ? d->name : "");
    gp_mt19937 m;
    gp_mt_seed(&m, seed);
    const uint32_t k = (uint32_t)shots;
    gopro_status st = draw_list(&dr->train, &dr->n_train, &d->train, d, k, "training", &m, log, err);
    /* The same generator goes on, so the validation draw depends on the training lists. */
    if (st == GOPRO_OK) st = draw_list(&dr->val, &dr->n_val, &d->val, d, k < VAL_SHOTS ? k : VAL_SHOTS, "validation", &m, NULL, err);
    if (st == GOPRO_OK)
        gp_draw_hash(dr->hash, dr->train, dr->n_train), gp_draw_hash(dr->val_hash, dr->val, dr->n_val);
    else
        gp_draw_free(dr);
    return st;
}

void gp_draw_free(gp_draw *dr)
{
    free(dr->train);
    free(dr->val);
    *dr = (gp_draw){0};
}

gopro_status gp_draw_of(gp_draw *dr, const gp_dataset *d, const gp_options *o, const gp_log *log, gopro_error *err)
{
    const char *file = gp_opt_string(o, "data.draw");
    if (file[0]) return gp_draw_import(dr, d, file, log, err);
    return gp_draw_make(dr, d, (size_t)gp_opt_int(o, "shots"), (uint64_t)gp_opt_int(o, "seed"), log, err);
}
