/* step.c - one evaluation of a method on a batch: micro-steps over images, losses, backward passes, checks for finite numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "methods/methods.h"

#define MAX_ROWS  2048                /* suffix rows of a micro-step */
#define MAX_SAVED ((size_t)192 << 20) /* bytes of activations it keeps, of either tower */

void gp_step_term(gp_tape *t, gp_step *s, const char *name, double weight, gp_var value)
{
    if (gp_tape_failed(t)) return;
    gp_term *term = NULL;
    for (size_t i = 0; i < s->n_terms; i++)
        if (strcmp(s->term[i].name, name) == 0) term = &s->term[i];
    if (!term) {
        assert(s->n_terms < GP_MAX_TERMS && strlen(name) < sizeof term->name);
        term = &s->term[s->n_terms++];
        *term = (gp_term){.weight = weight};
        strncpy(term->name, name, sizeof term->name - 1);
    }
    term->value += (double)value.v[0];
    if (value.g && s->training) {
        value.g[0] += (gp_real)weight;
        gp_reach(value);
    }
}

void gp_step_show(const gp_step *s, const char *name, gp_var x)
{
    if (s->show && x.v) s->show(s->show_to, name, x.v, x.rows, x.cols);
}

void gp_step_logits(gp_tape *t, gp_step *s, size_t first, gp_var logits)
{
    if (gp_tape_failed(t)) return;
    if (s->logits) memcpy(s->logits + first * s->K, logits.v, logits.rows * s->K * sizeof *logits.v);
    if (s->training) gp_step_term(t, s, "ce", 1, gp_cross_entropy(t, logits, s->label + first, s->B));
}

void gp_step_classify(gp_tape *t, gp_step *s, size_t first, gp_var x)
{
    if (!gp_tape_failed(t)) gp_step_logits(t, s, first, gp_matmul_nt(t, x, s->text, (gp_real)s->logit_scale));
}

/* B images in as few parts of at most `most` as possible, of nearly equal size: 4 in parts of at most 3 are 2 and 2. */
static size_t even(size_t B, size_t most)
{
    const size_t n = gp_max_size(1, gp_min_size(B, most)), parts = (B + n - 1) / n;
    return (B + parts - 1) / parts;
}

size_t gp_step_micro(const gp_method *m, const gp_step *s)
{
    if ((m->wants & GP_WANT_PIXELS) && s->training) return even(s->B, MAX_SAVED / gp_vision_prompt_bytes(s->setup->model, s->setup->M));
    if (!(m->wants & GP_WANT_TEXT)) return s->B;
    const gp_tower_arch *a = &gp_model_arch(s->setup->model)->t;
    const size_t all = gp_text_plan_rows(s->plan), one = all / s->K + 1;
    /* all classes of the image (and of others, if a method says so), the true class of the other views, and their prefixes; a block keeps
     * about 11 rows of its width per row */
    const size_t full = gp_max_size(1, s->full_branches);
    const size_t rows = full * all + (s->training ? (GP_MAX_VIEWS - full) * one + GP_MAX_VIEWS * s->setup->M : s->setup->M);
    const size_t bytes = rows * a->layers * 11 * a->width * sizeof(float);
    const size_t n = gp_min_size(MAX_ROWS / rows, s->training ? MAX_SAVED / bytes : SIZE_MAX);
    return even(s->B, n);
}

static bool finite_all(const gp_real *x, size_t n)
{
    bool bad = false;
    for (size_t i = 0; i < n; i++) bad = bad || !isfinite((double)x[i]);
    return !bad;
}

static gopro_status check_finite(gp_step *s, gopro_error *err)
{
    for (size_t i = 0; i < s->n_terms; i++) {
        if (!isfinite(s->term[i].value))
            return gp_fail(err, GOPRO_E_NUMERIC, "the loss term '%s' is not finite; a smaller learning rate may help", s->term[i].name);
        s->loss += s->term[i].weight * s->term[i].value;
    }
    if (s->logits && !finite_all(s->logits, s->B * s->K)) return gp_fail(err, GOPRO_E_NUMERIC, "the logits are not finite");
    for (size_t i = 0; s->training && s->p && i < gp_params_count(s->p); i++) {
        const gp_var x = gp_param_at(s->p, i);
        const gp_param_info *info = gp_params_info(s->p, i);
        if (x.g && *x.reached && !finite_all(x.g, info->count))
            return gp_fail(err, GOPRO_E_NUMERIC, "the gradient of '%s' is not finite; a smaller learning rate may help", info->name);
    }
    return GOPRO_OK;
}

/* s->text: given, or the method's own. */
static void class_text(const gp_method *m, gp_tape *t, gp_step *s)
{
    const size_t n = s->K * gp_model_arch(s->setup->model)->embed;
    s->text = (gp_var){0};
    if (!m->class_features) return;
    if (!s->class_feat) {
        s->text = m->class_features(t, s);
        return;
    }
    s->text = gp_tape_var(t, s->K, n / s->K, false);
    if (s->text.v) memcpy(s->text.v, s->class_feat, n * sizeof *s->text.v);
}

gopro_status gp_step_class_features(const gp_method *m, gp_tape *t, gp_step *s, gp_real *out, gopro_error *err)
{
    const bool recording = gp_tape_set_recording(t, false);
    const gp_tape_mark start = gp_tape_mark_get(t);
    const gp_var x = m->class_features(t, s);
    const gopro_status st = gp_tape_status(t, err);
    if (st == GOPRO_OK) memcpy(out, x.v, x.rows * x.cols * sizeof *out);
    gp_tape_pop(t, start);
    gp_tape_set_recording(t, recording);
    return st;
}

/* Running statistics to the buffer or back from it, one tensor after the other; their number. */
static size_t copy_states(gp_params *p, gp_real *buffer, bool back)
{
    size_t n = 0;
    for (size_t i = 0; p && i < gp_params_count(p); i++) {
        const gp_param_info *info = gp_params_info(p, i);
        if (!info->state) continue;
        gp_real *value = gp_param_at(p, i).v;
        if (buffer) memcpy(back ? value : buffer + n, back ? buffer + n : value, info->count * sizeof *value);
        n += info->count;
    }
    return n;
}

static gp_real *keep_states(gp_tape *t, gp_params *p)
{
    const size_t n = copy_states(p, NULL, false);
    gp_real *states = n > 0 ? gp_arena_alloc_raw(gp_tape_arena(t), n, sizeof *states) : NULL;
    copy_states(p, states, false);
    return states;
}

gopro_status gp_step_run(const gp_method *m, gp_tape *t, gp_step *s, gopro_error *err)
{
    gopro_status st = GOPRO_OK;
    const gp_tape_mark entry = gp_tape_mark_get(t);
    gp_real *states = s->training ? keep_states(t, s->p) : NULL;
    s->n_terms = 0;
    s->loss = 0;
    s->shared = NULL;
    s->full_branches = 0;
    const bool recording = gp_tape_set_recording(t, s->training);
    const gp_tape_mark start = gp_tape_mark_get(t);
    class_text(m, t, s);
    if (m->shared && !gp_tape_failed(t)) m->shared(t, s);
    const gp_tape_mark mark = gp_tape_mark_get(t);
    const size_t micro = gp_step_micro(m, s);
    for (size_t first = 0; first < s->B && !gp_tape_failed(t); first += micro) {
        if (gp_cancelled(s->log)) gp_tape_fail(t, GOPRO_E_CANCELLED, "cancelled");
        if (!gp_tape_failed(t)) m->images(t, s, first, gp_min_size(micro, s->B - first));
        gp_tape_backward(t, mark);
        gp_tape_pop(t, mark);
    }
    if (m->batch && s->training && !gp_tape_failed(t)) m->batch(t, s);
    gp_tape_backward(t, start);
    gp_tape_pop(t, start);
    gp_tape_set_recording(t, recording);
    st = gp_tape_status(t, err);
    if (st == GOPRO_OK) st = check_finite(s, err);
    if (st != GOPRO_OK) copy_states(s->p, states, true); /* a step that was not taken leaves no trace */
    gp_tape_pop(t, entry);
    return st;
}
