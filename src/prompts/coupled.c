/* coupled.c - prompts of both towers in one: the image tower's are linear maps of the text tower's (METHODS 3.5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "prompts/prompts.h"

#define TEXT "compound_prompts_text"
#define MAP  "compound_prompt_projections"

static void name_of(char name[96], const char *part, size_t i, const char *what)
{
    snprintf(name, 96, "%s.%zu%s", part, i, what);
}

gopro_status gp_coupled_declare(gp_params *p, size_t n, size_t J, size_t Dt, size_t Dv, const gp_real *words, gopro_error *err)
{
    static const char *const what[] = {".weight", ".bias"};
    const size_t shape[] = {n, Dt};
    char name[96], first[96];
    GP_TRY(gp_context_declare(p, n, Dt, words, err));
    GP_TRY(gp_params_add_linear(p, "proj", Dv, Dt, false, true, err));
    for (size_t i = 0; i + 1 < J; i++) {
        name_of(name, TEXT, i, "");
        GP_TRY(gp_params_add(p, name, shape, 2, GP_INIT_NORMAL, 0.02, NULL, err));
        name_of(name, MAP, i, "");
        GP_TRY(gp_params_add_linear(p, name, Dv, Dt, false, true, err));
        for (size_t k = 0; i > 0 && k < GP_COUNT(what); k++) {
            name_of(first, MAP, 0, what[k]);
            name_of(name, MAP, i, what[k]);
            gp_params_start_like(p, name, first);
        }
    }
    return GOPRO_OK;
}

static gp_var part(gp_params *p, const char *name, size_t i, const char *what)
{
    char full[96];
    name_of(full, name, i, what);
    return gp_param(p, full);
}

static gp_var *rows_of(gp_tape *t, size_t n)
{
    gp_var *x = gp_arena_alloc(gp_tape_arena(t), n, sizeof *x);
    if (!x) gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for prompts");
    return x;
}

gp_var gp_coupled_text(gp_tape *t, gp_params *p, size_t J)
{
    gp_var *x = J > 1 ? rows_of(t, J - 1) : NULL;
    if (!x) return (gp_var){0};
    for (size_t i = 0; i + 1 < J; i++) x[i] = part(p, TEXT, i, "");
    return gp_concat_rows(t, x, J - 1);
}

gp_var gp_coupled_image(gp_tape *t, gp_params *p, size_t J)
{
    gp_var *x = rows_of(t, J);
    if (!x) return (gp_var){0};
    x[0] = gp_linear(t, gp_param(p, "ctx"), gp_param(p, "proj.weight"), gp_param(p, "proj.bias"));
    for (size_t i = 0; i + 1 < J; i++) x[i + 1] = gp_linear(t, part(p, TEXT, i, ""), part(p, MAP, i, ".weight"), part(p, MAP, i, ".bias"));
    return gp_concat_rows(t, x, J);
}
