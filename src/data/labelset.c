/* labelset.c - the classes of a run (all, base, new) and its relabelled lists (DATASETS.md 5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

gopro_status gp_subset_labels(uint32_t **label, size_t *K, const gp_dataset *d, gp_subset s, gopro_error *err)
{
    const size_t C = d->n_classes;
    uint32_t *v = malloc((C + 1) * sizeof *v);
    bool *taught = calloc(C + 1, sizeof *taught);
    size_t n = 0;
    *label = v;
    *K = 0;
    if (!v || !taught) {
        free(taught);
        free(v);
        *label = NULL;
        return gp_fail_nomem(err, C * sizeof *v, "classes");
    }
    for (size_t i = 0; i < d->train.n; i++) taught[d->train.item[i].label] = true;
    for (size_t k = 0; k < C; k++)
        if (s == GP_ALL || d->train.n == 0 || taught[k]) v[n++] = (uint32_t)k;
    free(taught);
    const size_t n_base = (n + 1) / 2;
    if (s == GP_NEW) memmove(v, v + n_base, (n - n_base) * sizeof *v);
    *K = s == GP_ALL ? n : s == GP_BASE ? n_base : n - n_base;
    if (*K > 0) return GOPRO_OK;
    free(v);
    *label = NULL;
    return gp_fail(err, GOPRO_E_DATA, "dataset '%s' has too few classes for a base and a new half", d->name ? d->name : "");
}

#define LEFT_OUT UINT32_MAX

/* Keeps what has a label in to[].  index NULL: the whole list. */
static gopro_status cut(gp_item **out, size_t *n_out, const gp_split *s, const uint32_t *index, size_t n_index, const uint32_t *to,
                        gopro_error *err)
{
    const size_t n = index ? n_index : s->n;
    gp_item *v = calloc(n + 1, sizeof *v);
    if (!v) return gp_fail_nomem(err, (n + 1) * sizeof *v, "a list of images");
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (index && index[i] >= s->n) {
            free(v);
            return gp_fail(err, GOPRO_E_INVALID, "the draw names image %u of a list of %zu", index[i], s->n);
        }
        gp_item it = s->item[index ? index[i] : i];
        if (to[it.label] == LEFT_OUT) continue;
        it.label = to[it.label];
        v[k++] = it;
    }
    *out = v;
    *n_out = k;
    return GOPRO_OK;
}

gopro_status gp_labelset_make(gp_labelset *l, const gp_dataset *d, const gp_draw *draw, gp_subset s, gopro_error *err)
{
    uint32_t *label = NULL, *to = NULL;
    *l = (gp_labelset){0};
    gopro_status st = gp_subset_labels(&label, &l->K, d, s, err);
    GP_CHECK(st);
    l->class_name = calloc(l->K, sizeof *l->class_name);
    to = malloc(d->n_classes * sizeof *to);
    if (!l->class_name || !to) {
        st = gp_fail_nomem(err, l->K * sizeof *l->class_name, "class names");
        goto out;
    }
    for (size_t k = 0; k < d->n_classes; k++) to[k] = LEFT_OUT;
    for (size_t k = 0; k < l->K; k++) {
        l->class_name[k] = d->class_name[label[k]];
        to[label[k]] = (uint32_t)k;
    }
    GP_CHECK(cut(&l->train, &l->n_train, &d->train, draw ? draw->train : NULL, draw ? draw->n_train : 0, to, err));
    GP_CHECK(cut(&l->val, &l->n_val, &d->val, draw ? draw->val : NULL, draw ? draw->n_val : 0, to, err));
    GP_CHECK(cut(&l->test, &l->n_test, &d->test, NULL, 0, to, err));
out:
    free(label);
    free(to);
    if (st != GOPRO_OK) gp_labelset_free(l);
    return st;
}

void gp_labelset_free(gp_labelset *l)
{
    free(l->class_name);
    free(l->train);
    free(l->val);
    free(l->test);
    *l = (gp_labelset){0};
}
