/* labelset.c - the classes of a run (all, base, new) and its relabelled lists (DATASETS.md 5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "data/dataset.h"

/* Keeps labels lo .. hi-1, as 0 .. hi-lo-1.  index NULL: the whole list. */
static gopro_status cut(gp_item **out, size_t *n_out, const gp_split *s, const uint32_t *index, size_t n_index, size_t lo, size_t hi,
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
        if (it.label < lo || it.label >= hi) continue;
        it.label -= (uint32_t)lo;
        v[k++] = it;
    }
    *out = v;
    *n_out = k;
    return GOPRO_OK;
}

gopro_status gp_labelset_make(gp_labelset *l, const gp_dataset *d, const gp_draw *draw, gp_subset s, gopro_error *err)
{
    *l = (gp_labelset){0};
    const size_t n_base = (d->n_classes + 1) / 2;
    const size_t lo = s == GP_NEW ? n_base : 0, hi = s == GP_BASE ? n_base : d->n_classes;
    if (lo >= hi) return gp_fail(err, GOPRO_E_DATA, "dataset '%s' has too few classes for a base and a new half", d->name ? d->name : "");
    gopro_status st = GOPRO_OK;
    l->class_name = calloc(hi - lo, sizeof *l->class_name);
    if (!l->class_name) return gp_fail_nomem(err, (hi - lo) * sizeof *l->class_name, "class names");
    l->K = hi - lo;
    for (size_t k = 0; k < l->K; k++) l->class_name[k] = d->class_name[lo + k];
    GP_CHECK(cut(&l->train, &l->n_train, &d->train, draw ? draw->train : NULL, draw ? draw->n_train : 0, lo, hi, err));
    GP_CHECK(cut(&l->val, &l->n_val, &d->val, draw ? draw->val : NULL, draw ? draw->n_val : 0, lo, hi, err));
    GP_CHECK(cut(&l->test, &l->n_test, &d->test, NULL, 0, lo, hi, err));
out:
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
