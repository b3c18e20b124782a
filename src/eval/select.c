/* select.c - see select.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/select.h"

#include <string.h>

const char *gp_select_words(const char *select)
{
    if (strcmp(select, "best_test") == 0) return "best epoch ON THE TEST IMAGES (a leak)";
    return strcmp(select, "best_val") == 0 ? "best epoch on validation images" : "last epoch";
}

static bool on_test(const gp_selection *s)
{
    return gp_opt_is(s->l->opt, "select", "best_test");
}

/* The images that choose; a method with an image tower of its own gives them new features every time. */
static gopro_status open_images(gp_selection *s, gopro_error *err)
{
    const gp_dataset *d = s->data;
    if (s->test || (s->own.features && !(s->l->method->wants & GP_WANT_PIXELS))) return GOPRO_OK;
    gp_testset_close(&s->own);
    return gp_testset_open_items(&s->own, s->l, d, on_test(s) ? d->test.item : s->labels->val, on_test(s) ? d->test.n : s->labels->n_val,
                                 s->l->opt, s->cache, &s->quiet, err);
}

/* Accuracy on the classes of the training, after an epoch. */
static gopro_status score(void *of, double *accuracy, gopro_error *err)
{
    gp_selection *s = of;
    gp_metrics m;
    gp_scores v;
    GP_TRY(open_images(s, err));
    const gp_testset *images = s->test ? s->test : &s->own;
    GP_TRY(on_test(s) ? gp_evaluate(&m, s->l, images, s->labels, &s->quiet, err)
                      : gp_evaluate_val(&m, s->l, images, s->labels, &s->quiet, err));
    gp_metrics_scores(&v, &m);
    gp_metrics_free(&m);
    *accuracy = v.accuracy;
    return GOPRO_OK;
}

gopro_status gp_selection_open(gp_selection *s, gp_learner *l, const gp_dataset *d, const gp_labelset *labels, const gp_testset *test,
                               const char *cache, const gp_watch *w, gopro_error *err)
{
    *s = (gp_selection){.selector = {.score = score, .of = s}, .l = l, .data = d, .labels = labels, .cache = cache, .test = test};
    if (w) s->quiet.log = w->log;
    if (on_test(s))
        gp_logf(&s->quiet.log, GP_LOG_WARN,
                "select=best_test chooses the epoch on the test images: its accuracy measures that leak and is no result");
    else if (labels->n_val == 0)
        return gp_fail(err, GOPRO_E_DATA, "select=best_val needs validation images, and '%s' has none for these classes", d->root);
    return GOPRO_OK;
}

void gp_selection_close(gp_selection *s)
{
    gp_testset_close(&s->own);
}
