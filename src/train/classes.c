/* classes.c - a label set as a learner classifies it: prompts laid out, contexts found by name, text features known in advance.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "text/templates.h"
#include "train/learner.h"
#include "train/zeroshot.h"

void gp_classes_close(gp_classes *c)
{
    gp_text_plan_free(&c->plan);
    free(c->text);
    free(c->row);
    *c = (gp_classes){0};
}

gp_step gp_learner_step(gp_learner *l, const gp_classes *c, size_t B)
{
    return (gp_step){.setup = &l->setup,
                     .p = l->p,
                     .plan = c->plan,
                     .K = c->K,
                     .B = B,
                     .class_row = c->row,
                     .class_feat = c->text,
                     .logit_scale = l->logit_scale};
}

/* Class-specific contexts belong to names, wherever these stand in the label set. */
static gopro_status find_rows(gp_classes *c, const gp_learner *l, const char *const *class_name, gopro_error *err)
{
    c->row = calloc(c->K, sizeof *c->row);
    if (!c->row) return gp_fail_nomem(err, c->K * sizeof *c->row, "class names");
    for (size_t k = 0; k < c->K; k++) {
        size_t r = 0;
        while (r < l->setup.K && strcmp(class_name[k], l->class_name[r]) != 0) r++;
        if (r == l->setup.K && l->setup.open_set) {
            c->row[k] = GP_NO_ROW;
            continue;
        }
        if (r == l->setup.K)
            return gp_fail(
                err, GOPRO_E_INVALID,
                "class '%s' is none of the %zu trained on, and what is learnt class by class says nothing about others; a method "
                "with a shared context can classify new ones",
                class_name[k], l->setup.K);
        c->row[k] = (uint32_t)r;
    }
    return GOPRO_OK;
}

/* METHODS 3.1: one template, or the mean over several; a template that was asked for is always among the selected 7 and itself. */
static gopro_status template_text(gp_classes *c, const gp_learner *l, const char *const *class_name, gp_own_template dataset,
                                  gopro_error *err)
{
    const gp_options *o = l->opt;
    const char *own = gp_opt_string(o, "template"), *list[GP_COUNT(gp_templates_7) + 1];
    const char *const *tmpl = gp_templates_80;
    size_t n = 0;
    if (gp_opt_is(o, "ensemble", "80")) {
        n = GP_COUNT(gp_templates_80);
    } else {
        if (gp_opt_is(o, "ensemble", "7"))
            for (; n < GP_COUNT(gp_templates_7); n++) list[n] = gp_templates_7[n];
        if (own[0])
            list[n++] = own;
        else if (n == 0 || !dataset.not_in_7)
            list[n++] = dataset.text;
        tmpl = list;
    }
    return gp_zeroshot_text(c->text, l->bb, class_name, c->K, tmpl, n, err);
}

static gopro_status fill(gp_classes *c, gp_learner *l, const char *const *class_name, gp_own_template own, bool training, gopro_error *err)
{
    const gp_method *m = l->method;
    const bool templates = (m->wants & GP_WANT_TEMPLATES) != 0, text = templates || (m->class_features && !training);
    const size_t n = c->K * gp_model_arch(l->bb->model)->embed;
    if (l->setup.csc) GP_TRY(find_rows(c, l, class_name, err));
    if (!templates) GP_TRY(gp_backbone_plan(&c->plan, l->bb, class_name, c->K, l->tmpl, l->setup.M, l->setup.pos, err));
    if (!text) return GOPRO_OK;
    c->text = malloc(n * sizeof *c->text);
    if (!c->text) return gp_fail_nomem(err, n * sizeof *c->text, "class features");
    if (templates) return template_text(c, l, class_name, own, err);
    gp_step s = gp_learner_step(l, c, 0);
    s.class_feat = NULL;
    return gp_step_class_features(m, l->tape, &s, c->text, err);
}

gopro_status gp_classes_open(gp_classes *c, gp_learner *l, const char *const *class_name, size_t K, gp_own_template own, bool training,
                             gopro_error *err)
{
    *c = (gp_classes){.K = K};
    const gopro_status st = fill(c, l, class_name, own, training, err);
    if (st != GOPRO_OK) gp_classes_close(c);
    return st;
}
