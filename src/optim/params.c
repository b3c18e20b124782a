/* params.c - the table of learnable tensors and their flat buffers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optim/params.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

typedef struct entry {
    gp_param_info info;
    gp_init init;
    double scale;
    gp_real *from;   /* owned copy of the data for COPY */
    uint64_t stream; /* of the random start: the hash of the name */
    bool reached, stepped;
} entry;

struct gp_params {
    entry *e;
    size_t n, cap;
    size_t flat; /* numbers in each flat buffer: tensors padded to whole cache lines */
    gp_arena *a;
    gp_real *value, *grad, *momentum;
    bool finished;
};

gp_params *gp_params_create(void)
{
    return calloc(1, sizeof(gp_params));
}

void gp_params_free(gp_params **p)
{
    if (!*p) return;
    for (size_t i = 0; i < (*p)->n; i++) free((*p)->e[i].from);
    free((*p)->e);
    gp_arena_free(&(*p)->a);
    free(*p);
    *p = NULL;
}

static entry *find(const gp_params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->e[i].info.name, name) == 0) return &p->e[i];
    return NULL;
}

static gopro_status fill_info(gp_param_info *info, const char *name, const size_t *shape, size_t rank, gopro_error *err)
{
    if (strlen(name) >= sizeof info->name) return gp_fail(err, GOPRO_E_INVALID, "parameter name '%s' is too long", name);
    if (rank > GP_COUNT(info->shape)) return gp_fail(err, GOPRO_E_INVALID, "parameter '%s' has rank %zu, at most 3", name, rank);
    strcpy(info->name, name);
    info->rank = rank;
    info->rows = info->cols = info->count = 1;
    for (size_t i = 0; i < rank; i++) {
        info->shape[i] = shape[i];
        if (shape[i] == 0 || !gp_mul_size(&info->count, info->count, shape[i]) || info->count > SIZE_MAX / 64)
            return gp_fail(err, GOPRO_E_INVALID, "parameter '%s' has an impossible shape", name);
    }
    if (rank > 0) info->cols = shape[rank - 1];
    info->rows = info->count / info->cols;
    return GOPRO_OK;
}

static gopro_status add(gp_params *p, entry *out, const char *name, const size_t *shape, size_t rank, gopro_error *err)
{
    entry e = *out;
    assert(!p->finished);
    e.stream = gp_hash_str(name);
    GP_TRY(fill_info(&e.info, name, shape, rank, err));
    if (find(p, name)) return gp_fail(err, GOPRO_E_INVALID, "parameter '%s' is declared twice", name);
    if (p->n == p->cap) {
        const size_t cap = p->cap ? 2 * p->cap : 64;
        entry *bigger = realloc(p->e, cap * sizeof *bigger);
        if (!bigger) return gp_fail_nomem(err, cap * sizeof *bigger, "the table of parameters");
        p->e = bigger;
        p->cap = cap;
    }
    if (e.from) {
        const gp_real *data = e.from;
        e.from = malloc(e.info.count * sizeof *e.from);
        if (!e.from) return gp_fail_nomem(err, e.info.count * sizeof *e.from, name);
        memcpy(e.from, data, e.info.count * sizeof *e.from);
    }
    const size_t line = GP_ALIGN / sizeof(gp_real);
    e.info.offset = p->flat;
    if (!gp_add_size(&p->flat, p->flat, (e.info.count + line - 1) / line * line))
        return gp_fail(err, GOPRO_E_INVALID, "too many parameters");
    p->e[p->n++] = e;
    return GOPRO_OK;
}

gopro_status gp_params_add(gp_params *p, const char *name, const size_t *shape, size_t rank, gp_init init, double scale,
                           const gp_real *from, gopro_error *err)
{
    entry e = {.init = init, .scale = scale};
    assert((init == GP_INIT_COPY) == (from != NULL));
    union {
        const gp_real *in;
        gp_real *out;
    } data = {.in = from}; /* copied by add() before anything could write to it */
    e.from = data.out;
    return add(p, &e, name, shape, rank, err);
}

gopro_status gp_params_add_state(gp_params *p, const char *name, const size_t *shape, size_t rank, gp_real value, gopro_error *err)
{
    entry e = {.init = GP_INIT_ONE, .scale = (double)value};
    e.info.state = true;
    return add(p, &e, name, shape, rank, err);
}

gopro_status gp_params_add_linear(gp_params *p, const char *name, size_t out, size_t in, bool zero, bool bias, gopro_error *err)
{
    char full[128];
    const gp_init init = zero ? GP_INIT_ZERO : GP_INIT_UNIFORM;
    const double bound = 1 / sqrt((double)in);
    snprintf(full, sizeof full, "%s.weight", name);
    GP_TRY(gp_params_add(p, full, (const size_t[]){out, in}, 2, init, bound, NULL, err));
    if (!bias) return GOPRO_OK;
    snprintf(full, sizeof full, "%s.bias", name);
    return gp_params_add(p, full, &out, 1, init, bound, NULL, err);
}

void gp_params_start_like(gp_params *p, const char *name, const char *like)
{
    entry *e = find(p, name);
    const entry *from = find(p, like);
    assert(!p->finished && e && from && e->info.count == from->info.count && e->init == from->init);
    e->stream = from->stream;
}

static void fill(gp_real *v, const entry *e, uint64_t seed)
{
    gp_rng r = gp_rng_make(seed, GP_RNG_INIT, e->stream, 0);
    const size_t n = e->info.count;
    for (size_t i = 0; i < n; i++) {
        switch (e->init) {
        case GP_INIT_ZERO:
            v[i] = 0;
            break;
        case GP_INIT_ONE:
            v[i] = e->info.state ? (gp_real)e->scale : 1;
            break;
        case GP_INIT_UNIFORM:
            v[i] = (gp_real)gp_rng_range(&r, -e->scale, e->scale);
            break;
        case GP_INIT_NORMAL:
            v[i] = (gp_real)(e->scale * gp_rng_normal(&r));
            break;
        case GP_INIT_COPY:
            v[i] = e->from[i];
            break;
        }
    }
}

gopro_status gp_params_finish(gp_params *p, uint64_t seed, gopro_error *err)
{
    const size_t bytes = 3 * p->flat * sizeof(gp_real);
    assert(!p->finished);
    p->a = gp_arena_create(bytes + 4096);
    if (p->a) {
        p->value = gp_arena_alloc(p->a, p->flat + 1, sizeof(gp_real));
        p->grad = gp_arena_alloc(p->a, p->flat + 1, sizeof(gp_real));
        p->momentum = gp_arena_alloc(p->a, p->flat + 1, sizeof(gp_real));
    }
    if (!p->a || gp_arena_failed(p->a)) return gp_fail_nomem(err, bytes, "the learnable tensors");
    for (size_t i = 0; i < p->n; i++) {
        fill(p->value + p->e[i].info.offset, &p->e[i], seed);
        free(p->e[i].from);
        p->e[i].from = NULL;
    }
    p->finished = true;
    return GOPRO_OK;
}

size_t gp_params_count(const gp_params *p)
{
    return p->n;
}

const gp_param_info *gp_params_info(const gp_params *p, size_t i)
{
    return &p->e[i].info;
}

size_t gp_params_total(const gp_params *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if (!p->e[i].info.state) n += p->e[i].info.count;
    return n;
}

gp_var gp_param_at(gp_params *p, size_t i)
{
    entry *e = &p->e[i];
    assert(p->finished && i < p->n);
    gp_var x = gp_const(p->value + e->info.offset, e->info.rows, e->info.cols);
    if (!e->info.state) {
        x.g = p->grad + e->info.offset;
        x.reached = &e->reached;
    }
    return x;
}

gp_var gp_param(gp_params *p, const char *name)
{
    const entry *e = find(p, name);
    assert(e);
    return gp_param_at(p, (size_t)(e - p->e));
}

bool gp_param_exists(const gp_params *p, const char *name)
{
    return find(p, name) != NULL;
}

gp_real *gp_params_values(gp_params *p, size_t *n)
{
    *n = p->flat;
    return p->value;
}

void gp_params_zero_grad(gp_params *p)
{
    memset(p->grad, 0, p->flat * sizeof *p->grad);
    for (size_t i = 0; i < p->n; i++) p->e[i].reached = false;
}

gp_param_state gp_params_state(gp_params *p, size_t i)
{
    entry *e = &p->e[i];
    return (gp_param_state){.value = p->value + e->info.offset, .momentum = p->momentum + e->info.offset, .stepped = &e->stepped};
}
