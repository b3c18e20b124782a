/* prompts.c - class names in a template to token ids.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/prompts.h"

#include <stdlib.h>
#include <string.h>

void gp_prompts_free(gp_prompt_set **s)
{
    if (!s || !*s) return;
    for (size_t k = 0; (*s)->ids && k < (*s)->K; k++) free((*s)->ids[k]);
    free((*s)->ids);
    free((*s)->n);
    free((*s)->name_len);
    free(*s);
    *s = NULL;
}

/* Tokens of tmpl filled with the class name, into ids[cap]. */
static gopro_status count_tokens(const gp_tokenizer *t, const char *tmpl, const char *name, uint32_t *ids, size_t cap, size_t *n,
                                 gopro_error *err)
{
    char *text;
    GP_TRY(gp_template_fill(&text, tmpl, name, err));
    const gopro_status st = gp_tokenize(t, text, ids, cap, n, err);
    free(text);
    return st == GOPRO_E_DATA ? gp_fail_in(err, st, "class '%.200s'", name) : st;
}

static gopro_status build_one(gp_prompt_set *s, size_t k, const gp_tokenizer *t, const char *name, const char *tmpl, size_t context,
                              gopro_error *err)
{
    size_t n;
    GP_TRY(count_tokens(t, "{}", name, NULL, 0, &s->name_len[k], err));
    if (s->name_len[k] == 0) return gp_fail(err, GOPRO_E_DATA, "class %zu: the name '%.200s' has no text in it", k, name);
    s->ids[k] = calloc(context, sizeof *s->ids[k]);
    if (!s->ids[k]) return gp_fail_nomem(err, context * sizeof *s->ids[k], "prompts");
    GP_TRY(count_tokens(t, tmpl, name, s->ids[k] + 1, context - 2, &n, err));
    if (n > context - 2)
        return gp_fail(err, GOPRO_E_DATA,
                       "class '%.200s': its prompt '%.200s' has %zu tokens with start and end, the model takes %zu; "
                       "shorten the name or the context",
                       name, tmpl, n + 2, context);
    for (size_t i = 1; i <= n; i++)
        if (s->ids[k][i] >= gp_tokenizer_sot(t))
            return gp_fail(err, GOPRO_E_DATA, "class '%.200s': its prompt holds a start or end token, rename the class", name);
    s->ids[k][0] = gp_tokenizer_sot(t);
    s->ids[k][n + 1] = gp_tokenizer_eot(t);
    s->n[k] = n + 2;
    return GOPRO_OK;
}

gopro_status gp_prompts_build(gp_prompt_set **s, const gp_tokenizer *t, const char *const *class_name, size_t K, const char *tmpl,
                              size_t context, gopro_error *err)
{
    *s = NULL;
    if (K == 0) return gp_fail(err, GOPRO_E_INVALID, "a label set without classes");
    if (context < 3) return gp_fail(err, GOPRO_E_INVALID, "a context of %zu tokens has no room for a prompt", context);
    gp_prompt_set *p = calloc(1, sizeof *p);
    if (!p) return gp_fail_nomem(err, sizeof *p, "prompts");
    p->K = K;
    p->ids = calloc(K, sizeof *p->ids);
    p->n = calloc(K, sizeof *p->n);
    p->name_len = calloc(K, sizeof *p->name_len);
    gopro_status st = GOPRO_OK;
    if (!p->ids || !p->n || !p->name_len) st = gp_fail_nomem(err, 3 * K * sizeof *p->n, "prompts");
    for (size_t k = 0; k < K && st == GOPRO_OK; k++) st = build_one(p, k, t, class_name[k], tmpl, context, err);
    if (st != GOPRO_OK) gp_prompts_free(&p);
    *s = p;
    return st;
}
