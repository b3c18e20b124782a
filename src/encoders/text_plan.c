/* text_plan.c - label sets laid out for the text tower: which rows are shared, which belong to a class (METHODS 2.1, 2.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "encoders/text_impl.h"

static gopro_status check_prompt(const gp_model *m, const gp_prompt *p, size_t k, size_t M, gp_ctx_pos pos, gopro_error *err)
{
    const gp_clip_arch *a = &m->w->arch;
    if (p->n < M + 2)
        return gp_fail(err, GOPRO_E_INVALID, "class %zu: prompt of %zu tokens, needs at least %zu (start, %zu context tokens, end)", k,
                       p->n, M + 2, M);
    if (p->n > a->context)
        return gp_fail(err, GOPRO_E_DATA, "class %zu: prompt of %zu tokens, the text tower takes at most %zu, use a shorter name", k, p->n,
                       a->context);
    if (p->ids[0] != a->sot)
        return gp_fail(err, GOPRO_E_INVALID, "class %zu: prompt begins with token %u, expected the start token %u", k, p->ids[0], a->sot);
    for (size_t i = 0; i < p->n; i++)
        if (p->ids[i] >= a->vocab || p->ids[i] >= GP_CTX_ROW)
            return gp_fail(err, GOPRO_E_INVALID, "class %zu: token %u at position %zu, the vocabulary has %zu", k, p->ids[i], i, a->vocab);
    if (pos != GP_POS_END && p->name_len + M + 2 > p->n)
        return gp_fail(err, GOPRO_E_INVALID, "class %zu: name of %zu tokens, the prompt has only %zu after its context", k, p->name_len,
                       p->n - M - 1);
    return GOPRO_OK;
}

/* Words that every class has after the contexts ("of a" of "X X of a dog."): rows equal up to there have equal states (METHODS 2.1 b), so
 * they lengthen the prefix.  Every class keeps its end token; one class alone has nothing to share with. */
static size_t common_words(const gp_prompt *p, size_t K, size_t M)
{
    size_t n = K > 1 ? p[0].n - M - 2 : 0;
    for (size_t k = 1; k < K && n; k++) {
        const size_t most = gp_min_size(n, p[k].n - M - 2);
        for (n = 0; n < most && p[k].ids[M + 1 + n] == p[0].ids[M + 1 + n];) n++;
    }
    return n;
}

static void lay_out_prefix(gp_text_plan *p, const gp_prompt *any)
{
    uint32_t *code = p->prefix;
    *code++ = any->ids[0];
    for (size_t i = 0; i < p->in_prefix; i++) *code++ = GP_CTX_ROW | (uint32_t)i;
    for (size_t i = p->in_prefix + 1; i < p->P; i++) *code++ = any->ids[i]; /* words: only with all contexts in the prefix */
}

/* Suffix rows of one class: name and rest, with the contexts that are not in the prefix after the name. */
static uint32_t *lay_out(uint32_t *code, const gp_prompt *p, size_t M, size_t in_prefix, size_t words)
{
    size_t own = M - in_prefix, name = own ? p->name_len : 0;
    const uint32_t *suffix = p->ids + M + 1 + words;
    size_t n = p->n - M - 1 - words;
    for (size_t i = 0; i < name; i++) *code++ = suffix[i];
    for (size_t i = 0; i < own; i++) *code++ = GP_CTX_ROW | (uint32_t)(in_prefix + i);
    for (size_t i = name; i < n; i++) *code++ = suffix[i];
    return code;
}

gopro_status gp_text_plan_create(gp_text_plan **out, gp_model *m, const gp_prompt *prompts, size_t K, size_t M, gp_ctx_pos pos,
                                 gopro_error *err)
{
    *out = NULL;
    size_t in_prefix = pos == GP_POS_END ? M : pos == GP_POS_MIDDLE ? M / 2 : 0, rows = 0;
    if (K == 0) return gp_fail(err, GOPRO_E_INVALID, "a label set needs at least one class");
    for (size_t k = 0; k < K; k++) GP_TRY(check_prompt(m, &prompts[k], k, M, pos, err));
    const size_t words = pos == GP_POS_END ? common_words(prompts, K, M) : 0, P = in_prefix + 1 + words;
    for (size_t k = 0; k < K; k++)
        if (!gp_add_size(&rows, rows, prompts[k].n - P)) rows = SIZE_MAX;
    if (rows >= UINT32_MAX) return gp_fail(err, GOPRO_E_INVALID, "%zu classes have too many tokens, at most %u", K, UINT32_MAX);
    gp_text_plan *p = calloc(1, sizeof *p);
    if (!p) return gp_fail_nomem(err, sizeof *p, "a text plan");
    *p = (gp_text_plan){.m = m, .K = K, .M = M, .in_prefix = in_prefix, .P = P};
    p->prefix = calloc(P, sizeof *p->prefix);
    p->first = calloc(K + 1, sizeof *p->first);
    p->code = calloc(rows ? rows : 1, sizeof *p->code);
    if (!p->prefix || !p->first || !p->code) {
        gp_text_plan_free(&p);
        return gp_fail_nomem(err, rows * sizeof *p->code, "a text plan");
    }
    lay_out_prefix(p, &prompts[0]);
    uint32_t *code = p->code;
    for (size_t k = 0; k < K; k++) {
        code = lay_out(code, &prompts[k], M, in_prefix, words);
        p->first[k + 1] = (uint32_t)(code - p->code);
    }
    *out = p;
    return GOPRO_OK;
}

void gp_text_plan_free(gp_text_plan **pp)
{
    gp_text_plan *p = *pp;
    if (!p) return;
    free(p->prefix);
    free(p->first);
    free(p->code);
    free(p);
    *pp = NULL;
}

size_t gp_text_plan_classes(const gp_text_plan *p)
{
    return p->K;
}

size_t gp_text_plan_rows(const gp_text_plan *p)
{
    return p->first[p->K];
}
