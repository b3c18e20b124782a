/* explain.c - see explain.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define CHUNK     2048 /* words compared at a time */
#define MAX_WORDS 64   /* of an initial context */

static void words_free(gp_word *w, size_t n)
{
    for (size_t i = 0; w && i < n; i++) free(w[i].text);
    free(w);
}

void gp_explanation_free(gp_explanation **e)
{
    if (!e || !*e) return;
    for (size_t i = 0; (*e)->token && i < (*e)->n; i++) {
        words_free((*e)->token[i].nearest, (*e)->top);
        words_free((*e)->token[i].similar, (*e)->top);
        free((*e)->token[i].start);
    }
    free((*e)->token);
    free(*e);
    *e = NULL;
}

/* A token as it can be shown and put into JSON. */
static char *printable(const gp_tokenizer *t, uint32_t id, bool *ends_word)
{
    char *raw = gp_token_text(t, id);
    if (!raw) return NULL;
    size_t len = strlen(raw);
    *ends_word = len > 0 && raw[len - 1] == ' ';
    if (*ends_word) raw[len - 1] = '\0';
    *ends_word = *ends_word || id == gp_tokenizer_sot(t) || id == gp_tokenizer_eot(t); /* these stand alone */
    gp_str b = {0};
    gp_str_add(&b, "");
    for (const char *s = raw; *s;) {
        size_t n = (unsigned char)*s < 0x20 ? 0 : gp_utf8_char(s);
        if (n)
            gp_str_addn(&b, s, n);
        else
            gp_str_addf(&b, "\\x%02x", (unsigned)(unsigned char)*s);
        s += n ? n : 1;
    }
    free(raw);
    if (b.failed) gp_str_free(&b);
    return b.s;
}

/* Keeps the `top` best by key, largest first; equal keys: the smaller id, which comes first. */
static void offer(gp_word *list, size_t top, const gp_word *w, bool by_cosine)
{
    size_t i = top;
    while (i > 0) {
        const gp_word *x = &list[i - 1];
        bool better = by_cosine ? w->cosine > x->cosine : w->distance < x->distance;
        if (!better) break;
        if (i < top) list[i] = *x;
        i--;
    }
    if (i < top) list[i] = *w;
}

typedef struct job {
    gp_explanation *e;
    const gp_real *ctx; /* [n, width] rows explained */
    const gp_real *word;
    const uint32_t *id;
    size_t width, n_words;
} job;

static void compare_row(void *arg, size_t row, size_t worker)
{
    const job *j = arg;
    gp_context_words *t = &j->e->token[row];
    const gp_real *c = j->ctx + row * j->width;
    (void)worker;
    for (size_t i = 0; i < j->n_words; i++) {
        const gp_real *w = j->word + i * j->width;
        double dot = 0.0, d2 = 0.0, w2 = 0.0;
        for (size_t k = 0; k < j->width; k++) {
            double x = (double)c[k], y = (double)w[k];
            dot += x * y;
            w2 += y * y;
            d2 += (x - y) * (x - y);
        }
        double lengths = t->norm * sqrt(w2);
        gp_word v = {.id = j->id[i], .distance = sqrt(d2), .cosine = lengths > 0.0 ? dot / lengths : 0.0};
        offer(t->nearest, j->e->top, &v, false);
        offer(t->similar, j->e->top, &v, true);
    }
}

static gopro_status compare(gp_explanation *e, const gp_learner *l, const gp_real *ctx, gopro_error *err)
{
    size_t vocab = gp_tokenizer_vocab(l->bb->tok), width = gp_model_arch(l->bb->model)->t.width;
    gp_real *word = malloc(CHUNK * width * sizeof *word);
    uint32_t *id = malloc(CHUNK * sizeof *id);
    job j = {.e = e, .ctx = ctx, .word = word, .id = id, .width = width};
    gopro_status st = word && id ? GOPRO_OK : gp_fail_nomem(err, CHUNK * width * sizeof *word, "the vocabulary");
    for (size_t first = 0; st == GOPRO_OK && first < vocab; first += CHUNK) {
        j.n_words = gp_min_size(CHUNK, vocab - first);
        for (size_t i = 0; i < j.n_words; i++) id[i] = (uint32_t)(first + i);
        gp_text_embed(l->bb->model, word, id, j.n_words);
        gp_parallel_for(l->bb->compute->pool, e->n, compare_row, &j);
    }
    free(word);
    free(id);
    return st;
}

static gopro_status name_words(gp_word *w, size_t top, const gp_learner *l, gopro_error *err)
{
    for (size_t i = 0; i < top; i++)
        if (!(w[i].text = printable(l->bb->tok, w[i].id, &w[i].ends_word))) return gp_fail_nomem(err, 16, "words");
    return GOPRO_OK;
}

/* Norms, how far each token went, and the word it came from. */
static gopro_status describe(gp_explanation *e, const gp_learner *l, const gp_real *ctx, const gp_real *start, gopro_error *err)
{
    size_t width = gp_model_arch(l->bb->model)->t.width, n = 0;
    uint32_t id[MAX_WORDS];
    const char *words = l->word_ctx ? gp_opt_string(l->opt, "ctx_init") : "";
    if (words[0]) GP_TRY(gp_tokenize(l->bb->tok, words, id, MAX_WORDS, &n, err));
    for (size_t r = 0; r < e->n; r++) {
        gp_context_words *t = &e->token[r];
        double c2 = 0.0, d2 = 0.0;
        for (size_t k = 0; k < width; k++) {
            double c = (double)ctx[r * width + k], d = c - (double)start[r * width + k];
            c2 += c * c;
            d2 += d * d;
        }
        t->norm = sqrt(c2);
        t->moved = sqrt(d2);
        bool whole;
        if (t->token < gp_min_size(n, MAX_WORDS) && !(t->start = printable(l->bb->tok, id[t->token], &whole)))
            return gp_fail_nomem(err, 16, "words");
    }
    return GOPRO_OK;
}

static gopro_status lists(gp_explanation *e, gopro_error *err)
{
    const gp_word none = {.distance = HUGE_VAL, .cosine = -HUGE_VAL};
    for (size_t r = 0; r < e->n; r++) {
        gp_context_words *t = &e->token[r];
        t->nearest = calloc(e->top, sizeof *t->nearest);
        t->similar = calloc(e->top, sizeof *t->similar);
        if (!t->nearest || !t->similar) return gp_fail_nomem(err, e->top * sizeof *t->nearest, "words");
        for (size_t i = 0; i < e->top; i++) t->nearest[i] = t->similar[i] = none;
    }
    return GOPRO_OK;
}

/* Which rows of the context tensor are explained: first .. first + e->n - 1. */
static gopro_status choose_rows(gp_explanation *e, size_t *first, const gp_learner *l, const char *class_name, gopro_error *err)
{
    bool csc = l->setup.csc;
    size_t K = csc ? l->setup.K : 1, k = 0;
    *first = 0;
    if (class_name && !csc)
        return gp_fail(err, GOPRO_E_INVALID, "the context of this run is the same for all classes; a class cannot be chosen");
    for (; class_name && k < K && strcmp(l->class_name[k], class_name) != 0; k++) {
    }
    if (class_name && k == K)
        return gp_fail(err, GOPRO_E_INVALID, "class '%s' is none of the %zu that the run was trained on", class_name, K);
    e->M = l->setup.M;
    e->n = class_name ? e->M : K * e->M;
    *first = class_name ? k * e->M : 0;
    e->token = calloc(e->n, sizeof *e->token);
    if (!e->token) return gp_fail_nomem(err, e->n * sizeof *e->token, "context tokens");
    for (size_t r = 0; r < e->n; r++) {
        e->token[r].token = r % e->M;
        e->token[r].class_name = csc ? l->class_name[(*first + r) / e->M] : NULL;
    }
    return GOPRO_OK;
}

gopro_status gp_explain(gp_explanation **out, const gp_learner *l, const char *class_name, size_t top, gopro_error *err)
{
    *out = NULL;
    if (!l->p || !gp_param_exists(l->p, "ctx"))
        return gp_fail(err, GOPRO_E_INVALID, "%s learns no context; there are no words to look for", l->method->title);
    size_t first, width = gp_model_arch(l->bb->model)->t.width;
    gopro_status st;
    gp_explanation *e = calloc(1, sizeof *e);
    if (!e) return gp_fail_nomem(err, sizeof *e, "an explanation");
    e->top = gp_max_size(1, gp_min_size(top, gp_tokenizer_vocab(l->bb->tok)));
    e->per_image = !l->method->class_features;
    const gp_real *ctx = gp_param(l->p, "ctx").v;
    GP_CHECK(choose_rows(e, &first, l, class_name, err));
    GP_CHECK(lists(e, err));
    GP_CHECK(describe(e, l, ctx + first * width, l->ctx0 + first * width, err));
    GP_CHECK(compare(e, l, ctx + first * width, err));
    for (size_t r = 0; r < e->n; r++) {
        GP_CHECK(name_words(e->token[r].nearest, e->top, l, err));
        GP_CHECK(name_words(e->token[r].similar, e->top, l, err));
    }
out:
    if (st == GOPRO_OK)
        *out = e;
    else
        gp_explanation_free(&e);
    return st;
}
